package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Errors of pruning.
var (
	// ErrHeld: something has come to need events since it was looked at. Nothing was removed; try again.
	ErrHeld = driver.ErrHeld
	// ErrNotOwner: the role of the connection may not remove events. Nothing was changed.
	ErrNotOwner = driver.ErrNotOwner
)

// Keep says what is not to be pruned, beside what is still needed.
type Keep struct {
	// From is the first position to keep; Since keeps what was recorded at that time or later. Both may be set: then
	// whatever keeps more counts. With neither, everything may go that nothing needs.
	From  Position
	Since time.Time
	// Young is kept whatever else is asked: what was recorded since then may be on its way to a reader, such as a
	// consumer that has fallen behind.
	Young time.Time
	// Quarantined is from when on webhooks that were set aside are kept; the zero time keeps them all.
	Quarantined time.Time
	// Retired are sagas and relays that run nowhere any more, and whose watermarks hold nothing.
	Retired []string
	// Rows prunes to the event also where the store has partitions, deleting rows of the one that the floor falls into.
	// Without it, only whole partitions go.
	Rows bool
	// Named is how many holders of a kind the plan names; 0 is 20.
	Named int
}

// PrunePlan is what a prune would do, as of the moment when it was made.
type PrunePlan struct {
	Head    Head
	Asked   Position // the floor that Keep asks for
	Free    Position // the floor that nothing stands against; at most Asked
	Floor   Position // the floor after the prune: Free, or where the highest whole partition below it ends
	Retired []string
	Holders []driver.Holder // what stands between Free and Asked, those that need the oldest events first
	Whole   []driver.Partition
}

// Events is how many events would go.
func (p PrunePlan) Events() int64 { return int64(max(0, p.Floor-p.Head.Floor)) }

// PlanPrune finds out what may be pruned. It changes nothing, and needs no more than the right to read.
//
// The floor it finds is below everything that a watermark, a relay, a queued input, an instance that has not ended, an
// armed timer, an open command, a quarantined webhook or a young reader may still ask for.
func (s *Store) PlanPrune(ctx context.Context, k Keep) (p PrunePlan, err error) {
	if p.Head, err = s.driver.Head(ctx); err != nil {
		return p, err
	}
	if p.Asked, err = s.asked(ctx, p.Head, k); err != nil {
		return p, err
	}
	p.Retired = k.Retired
	if p.Holders, err = s.driver.Holders(ctx, driver.HolderQuery{Until: p.Asked, Limit: k.Named, QuarantinedSince: k.Quarantined, Retired: k.Retired}); err != nil {
		return p, err
	}
	if !k.Young.IsZero() {
		old, err := s.recordedBefore(ctx, p.Head, k.Young)
		if err != nil {
			return p, err
		}
		if old < p.Asked {
			p.Holders = append(p.Holders, driver.Holder{Kind: driver.HolderGrace, Name: "recorded since " + k.Young.UTC().Format(time.RFC3339), Needs: old + 1, Total: 1})
			slices.SortStableFunc(p.Holders, func(a, b driver.Holder) int { return int(a.Needs - b.Needs) })
		}
	}
	if p.Free = p.Asked; len(p.Holders) > 0 {
		p.Free = max(p.Head.Floor, min(p.Free, p.Holders[0].Needs-1))
	}
	return p, s.fit(ctx, &p, k)
}

// asked is the floor that k asks for.
func (s *Store) asked(ctx context.Context, h Head, k Keep) (Position, error) {
	floor := h.Position
	if k.From > 0 {
		floor = min(floor, k.From-1)
	}
	if !k.Since.IsZero() {
		old, err := s.recordedBefore(ctx, h, k.Since)
		if err != nil {
			return 0, err
		}
		floor = min(floor, old)
	}
	return max(floor, h.Floor), nil
}

// recordedBefore is the highest position that was recorded before a time; the floor, if there is none.
func (s *Store) recordedBefore(ctx context.Context, h Head, t time.Time) (Position, error) {
	last, err := s.driver.Read(ctx, Query{Before: t, Desc: true, Limit: 1})
	if err != nil || len(last) == 0 {
		return h.Floor, err
	}
	return max(h.Floor, last[0].Position), nil
}

// fit brings the floor down to where a partition ends, unless rows may be deleted.
func (s *Store) fit(ctx context.Context, p *PrunePlan, k Keep) error {
	all, err := s.driver.Partitions(ctx)
	if err != nil {
		return err
	}
	p.Floor = p.Free
	if len(all) > 0 && !k.Rows {
		p.Floor = p.Head.Floor
	}
	for _, part := range all {
		if !part.Detached && part.To-1 <= p.Free {
			p.Floor, p.Whole = max(p.Floor, part.To-1), append(p.Whole, part)
		}
	}
	return nil
}

// Removal says how a prune goes about it. The zero value is right for most.
type Removal struct {
	Batch  int  // events deleted in one transaction; 0 is 5,000
	Detach bool // partitions are detached and left as tables of their own, to be archived and dropped by hand
	// Progress, if it is set, is told of each step. An error ends the prune there.
	Progress func(driver.Removed) error
}

// Prune removes what a plan says, and returns how many events it removed. What has come to need events below the plan's
// floor since then makes it return ErrHeld before anything is changed.
//
// First the floor rises, then the events go, step by step, the oldest first. If it ends early, by an error or a crash,
// the floor stays where it is and the rest goes with the next prune. Two at once help each other.
func (s *Store) Prune(ctx context.Context, p PrunePlan, r Removal) (removed int64, err error) {
	if p.Floor > p.Head.Floor {
		if err := s.raise(ctx, p); err != nil {
			return 0, err
		}
	}
	step := driver.Removal{Detach: r.Detach, Rows: r.Batch}
	if step.Rows <= 0 {
		step.Rows = 5000
	}
	for {
		done, err := s.driver.Remove(ctx, step)
		if err != nil {
			return removed, err
		}
		if removed += done.Events; done.Events > 0 || done.Partition != "" {
			if r.Progress != nil {
				err = r.Progress(done)
			}
		}
		if err != nil || !done.More {
			return removed, err
		}
	}
}

// How long a retired saga's lease is kept from coming up while the floor rises.
const retiring = time.Minute

// raise moves the floor, holding the leases of what is said to run nowhere: who holds one does run.
func (s *Store) raise(ctx context.Context, p PrunePlan) error {
	var held []driver.Lease
	defer func() {
		for _, l := range held {
			_ = s.driver.Release(context.WithoutCancel(ctx), l) // else it runs out
		}
	}()
	for _, name := range p.Retired {
		for _, lease := range [...]string{"sweep/" + name, name} { // of a saga, of a relay
			l, ok, err := s.driver.Acquire(ctx, lease, "prune", retiring)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("eventstore: %w: %s is not retired, %s runs it", ErrHeld, name, l.Holder)
			}
			held = append(held, l)
		}
	}
	_, err := s.driver.Raise(ctx, p.Floor, p.Retired...)
	return err
}

// Partition is one range of positions of the event log, as a store keeps it.
type Partition struct {
	driver.Partition
	State  string
	Events int64 // how many positions of it are taken and not pruned
}

// States of partitions.
const (
	PartitionAhead    = "ahead"    // holds nothing yet
	PartitionActive   = "active"   // takes the next event
	PartitionKept     = "kept"     // full, and something needs events of it
	PartitionPrunable = "prunable" // full, and nothing needs it
	PartitionArchived = "archived" // detached: not part of the log any more
)

// Partitions lists the partitions of a store by position, judged by what k keeps; none where the store has none.
func (s *Store) Partitions(ctx context.Context, k Keep) ([]Partition, error) {
	p, err := s.PlanPrune(ctx, k)
	if err != nil {
		return nil, err
	}
	all, err := s.driver.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Partition, len(all))
	for i, part := range all {
		out[i] = Partition{Partition: part, State: p.state(part)}
		if first, last := max(part.From, p.Head.Floor+1), min(part.To-1, p.Head.Position); last >= first && !part.Detached {
			out[i].Events = int64(last - first + 1)
		}
	}
	return out, nil
}

func (p PrunePlan) state(part driver.Partition) string {
	next := p.Head.Position + 1
	switch {
	case part.Detached:
		return PartitionArchived
	case part.From > next:
		return PartitionAhead
	case part.To > next:
		return PartitionActive
	case part.To-1 <= p.Free:
		return PartitionPrunable
	}
	return PartitionKept
}

// AddPartitions adds partitions until n hold nothing yet, and returns how many it added. Appending does so by itself,
// one at a time. A store without partitions returns an error that matches errors.ErrUnsupported.
func (s *Store) AddPartitions(ctx context.Context, n int) (int, error) {
	added, err := s.driver.AddPartitions(ctx, n)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		err = fmt.Errorf("eventstore: after %d partitions: %w", added, err)
	}
	return added, err
}
