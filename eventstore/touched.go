package eventstore

import (
	"hash/maphash"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// touched is which rows the batches of one commit touch, by a hash of the row's kind and name; true: alone, as a stream of
// which a version is expected. Two rows of one hash would only keep two batches apart that could go together.
type touched struct {
	rows map[uint64]bool
	seed maphash.Seed
	mine []row // of the batch at hand
}

// row is one row that a batch touches.
type row struct {
	hash  uint64
	alone bool
}

func newTouched() touched { return touched{rows: map[uint64]bool{}, seed: maphash.MakeSeed()} }

// add adds what b touches, unless it touches what another one does.
func (t *touched) add(b *driver.Batch) bool {
	t.mine = t.mine[:0]
	t.list(b)
	for _, r := range t.mine {
		if others, there := t.rows[r.hash]; there && (r.alone || others) {
			return false
		}
	}
	for _, r := range t.mine {
		t.rows[r.hash] = t.rows[r.hash] || r.alone
	}
	return true
}

// note notes a row by the letter of its kind and the parts of its name.
func (t *touched) note(kind byte, alone bool, parts ...string) {
	const odd = 0x9E3779B97F4A7C15 // so that the parts' order counts
	hash := uint64(kind)
	for _, part := range parts {
		hash = (hash ^ maphash.String(t.seed, part)) * odd
	}
	t.mine = append(t.mine, row{hash, alone})
}

// list notes every row of a batch.
func (t *touched) list(b *driver.Batch) {
	for i := range b.Events {
		a := &b.Events[i]
		t.note('e', true, a.Event.Source, a.Event.ID)
		t.note('s', a.Expect != driver.Any, a.Event.Stream)
	}
	for i := range b.Instances {
		t.note('i', true, b.Instances[i].Instance.ID)
	}
	for i := range b.Queue {
		t.note('q', true, b.Queue[i].Input.Guard)
		t.note('e', true, Self, b.Queue[i].Input.Guard)
	}
	for i := range b.Timers {
		t.note('t', true, b.Timers[i].Timer.ID)
	}
	for i := range b.Commands {
		t.note('c', true, b.Commands[i].Command.ID)
	}
	for i := range b.Askers {
		a := &b.Askers[i]
		t.note('k', true, a.Command, a.Instance, a.Cause)
	}
	if b.Activate != "" {
		t.note('a', true, b.Activate)
	}
}
