package engine

import (
	"errors"
	"sync"

	"github.com/hooksaga/hooksaga/eventstore"
)

// flights is which inputs of a sweep are under way, by position: below the first of them everything is decided. Inputs
// may land in any order.
type flights struct {
	mu   sync.Mutex
	open []*flight // in position order; the first is not done
	errs []error
}

type flight struct {
	position eventstore.Position
	done     bool
}

// start notes that an input is under way, and returns what to call when it has ended. Positions grow.
func (f *flights) start(p eventstore.Position) (land func(error)) {
	one := &flight{position: p}
	f.mu.Lock()
	f.open = append(f.open, one)
	f.mu.Unlock()
	return func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if err != nil {
			f.errs = append(f.errs, err)
			return
		}
		one.done = true
		for len(f.open) > 0 && f.open[0].done {
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

// err is why inputs were not handled, nil if none failed.
func (f *flights) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var why []error
	for _, err := range f.errs {
		if !errors.Is(err, errBehind) {
			why = append(why, err)
		}
	}
	return errors.Join(why...)
}

// clear forgets all. Nothing may be under way.
func (f *flights) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open, f.errs = nil, nil
}
