package engine

import (
	"sync"

	"github.com/hooksaga/hooksaga/eventstore"
)

// flights is which inputs of a sweep are under way, by position: below the first of them everything is decided. Inputs
// may land in any order, or never.
type flights struct {
	mu   sync.Mutex
	open []*flight // in position order; the first has not landed
}

type flight struct {
	position eventstore.Position
	landed   bool
}

// start notes that an input is under way, and returns what to call when it is decided. Positions grow.
func (f *flights) start(p eventstore.Position) (land func()) {
	one := &flight{position: p}
	f.mu.Lock()
	f.open = append(f.open, one)
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		one.landed = true
		for len(f.open) > 0 && f.open[0].landed {
			f.open = f.open[1:]
		}
	}
}

// low is up to where everything is decided, when everything up to read was started.
func (f *flights) low(read eventstore.Position) eventstore.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open) > 0 {
		return f.open[0].position - 1
	}
	return read
}

// clear forgets all. Nothing may be under way.
func (f *flights) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = nil
}
