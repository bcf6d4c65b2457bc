package memstore

import "github.com/hooksaga/hooksaga/eventstore/driver"

// Touched names rows that were written, each once, in the order of their first writing. Leases and definitions are not
// among them.
type Touched struct {
	Instances, Queue, Timers, Commands, Sagas []string
}

// touches collects names until somebody asks for them.
type touches struct {
	on    bool // somebody has asked
	names Touched
}

// Touched returns what was written since it was last called; the first call returns nothing and begins to collect. It is
// for observers that would otherwise read every row again and again.
func (db *DB) Touched() Touched {
	db.mu.Lock()
	defer db.mu.Unlock()
	all := db.touched.names
	db.touched = touches{on: true}
	for _, names := range []*[]string{&all.Instances, &all.Queue, &all.Timers, &all.Commands, &all.Sagas} {
		*names = once(*names)
	}
	return all
}

func (t *touches) add(names *[]string, name string) {
	if t.on {
		*names = append(*names, name)
	}
}

// once keeps the first of equal names.
func once(names []string) (kept []string) {
	if len(names) < 2 {
		return names
	}
	seen := make(map[string]bool, len(names))
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			kept = append(kept, n)
		}
	}
	return kept
}

// Timer returns the row of an armed timer.
func (db *DB) Timer(id string) (driver.Timer, bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t, armed := db.timers[id]
	return t, armed
}
