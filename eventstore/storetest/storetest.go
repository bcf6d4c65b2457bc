package storetest

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Backend is one empty store, as an implementation's own test provides it.
type Backend struct {
	// Open returns a handle on the store. Every call returns one of its own, as another process would hold it: handles
	// of a Backend share rows and nothing else, also no pool of connections. The suite closes what it opens.
	Open func(testing.TB) driver.Store

	// Prune removes the events up to and including a position and raises the head's Floor to it, as retention does;
	// streams, dedupe and everything else stay. It is done in SQL by the implementation's test, beside open handles.
	// If it is nil, the tests about pruning are left out.
	Prune func(testing.TB, driver.Position)

	// Move moves the store's clock, which otherwise runs like time.Now, by a duration, also backwards. If it is nil, the
	// clock is the database's own: the tests that need a jump are left out, and leases are short and waited for.
	Move func(time.Duration)
}

// Run runs the suite. Every test calls open for a Backend of its own; tests run in parallel.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Backend {
//			database := newDatabase(tb) // empty, migrated, dropped by tb.Cleanup
//			return storetest.Backend{
//				Open:  func(tb testing.TB) driver.Store { return open(tb, database) },
//				Prune: func(tb testing.TB, upTo driver.Position) { exec(tb, database, pruneSQL, upTo) },
//			}
//		})
//	}
func Run(t *testing.T, open func(testing.TB) Backend) {
	themes := []theme{
		{"order", orderTests()}, {"versions", versionTests()}, {"identity", identityTests()}, {"bytes", byteTests()},
		{"atomic", atomicTests()}, {"queue", queueTests()}, {"instances", instanceTests()}, {"commands", commandTests()},
		{"claim", claimTests()}, {"timers", timerTests()}, {"leases", leaseTests()}, {"sagas", sagaTests()},
		{"query", queryTests()}, {"handles", handleTests()}, {"prune", pruneTests()},
		{"linear", linearTests()}, {"property", propertyTests()},
	}
	for _, theme := range themes {
		t.Run(theme.name, func(t *testing.T) {
			for _, c := range theme.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					b := open(t)
					if c.needs.prune && b.Prune == nil || c.needs.move && b.Move == nil {
						t.Log("left out: the backend has no hook for it")
						return
					}
					c.run(t, newFixture(t, b))
				})
			}
		})
	}
}

// theme is a group of tests about one part of the contract.
type theme struct {
	name  string
	cases []testCase
}

// testCase is one rule.
type testCase struct {
	name  string
	run   func(*testing.T, *fixture)
	needs struct{ prune, move bool }
}

// rule makes a testCase.
func rule(name string, run func(*testing.T, *fixture)) testCase {
	return testCase{name: name, run: run}
}

// pruned makes a testCase that needs Backend.Prune.
func pruned(name string, run func(*testing.T, *fixture)) testCase {
	c := rule(name, run)
	c.needs.prune = true
	return c
}

// moved makes a testCase that needs Backend.Move.
func moved(name string, run func(*testing.T, *fixture)) testCase {
	c := rule(name, run)
	c.needs.move = true
	return c
}
