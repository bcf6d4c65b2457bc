package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Definitions knows which of this process's sagas are the newest that run anywhere. Only the newest definition of a saga
// moves its watermark: an older one would pass by events that only the newer one wants. Newest is what was announced
// last among those seen within the ttl, so after a rollback the older one takes over when the newer has fallen silent.
type Definitions struct {
	rows  driver.Store
	mine  []driver.Definition
	ttl   time.Duration
	log   *slog.Logger
	mu    sync.Mutex
	newer map[string]bool // sagas of which a newer definition runs elsewhere; nil before the first Step
}

// NewDefinitions returns the definitions of a process. build tells one build of the code from another.
func NewDefinitions(rows driver.Store, defs []saga.Definition, build string, ttl time.Duration, log *slog.Logger) *Definitions {
	d := &Definitions{rows: rows, ttl: ttl, log: log}
	for _, s := range defs {
		d.mine = append(d.mine, driver.Definition{Saga: s.Name(), Hash: s.Hash() + "+" + build})
	}
	return d
}

// Step announces this process's definitions and looks which others run.
func (d *Definitions) Step(ctx context.Context) (progressed bool, err error) {
	seen, err := d.rows.Announce(ctx, d.mine, d.ttl)
	if err != nil {
		return false, err
	}
	newest, own := map[string]int64{}, map[string]int64{}
	hash := map[string]string{}
	for _, m := range d.mine {
		hash[m.Saga] = m.Hash
	}
	for _, s := range seen {
		newest[s.Saga] = max(newest[s.Saga], s.Generation)
		if s.Hash == hash[s.Saga] {
			own[s.Saga] = s.Generation
		}
	}
	newer := map[string]bool{}
	for name := range hash {
		newer[name] = newest[name] > own[name]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newer = newer
	return false, nil
}

// Newest reports whether this process runs the newest definition of a saga.
func (d *Definitions) Newest(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newer != nil && !d.newer[name]
}

// Run repeats Step often enough to be seen, until ctx ends.
func (d *Definitions) Run(ctx context.Context) {
	repeat(ctx, d.ttl/3, d.log, "announcing definitions", d.Step)
}
