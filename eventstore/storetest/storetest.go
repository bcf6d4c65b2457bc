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
//				Open: func(tb testing.TB) driver.Store { return open(tb, database) },
//			}
//		})
//	}
func Run(t *testing.T, open func(testing.TB) Backend) {
	themes := []theme{
		{"order", orderTests()}, {"versions", versionTests()}, {"identity", identityTests()}, {"bytes", byteTests()},
		{"atomic", atomicTests()}, {"queue", queueTests()}, {"instances", instanceTests()}, {"commands", commandTests()},
		{"claim", claimTests()}, {"timers", timerTests()}, {"leases", leaseTests()}, {"sagas", sagaTests()},
		{"query", queryTests()}, {"handles", handleTests()}, {"prune", pruneTests()},
		{"retention", retentionTests()}, {"linear", linearTests()}, {"property", propertyTests()},
	}
	for _, theme := range themes {
		t.Run(theme.name, func(t *testing.T) {
			for _, c := range theme.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					b := open(t)
					if c.needs.move && b.Move == nil {
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
	needs struct{ move bool }
}

// rule makes a testCase.
func rule(name string, run func(*testing.T, *fixture)) testCase {
	return testCase{name: name, run: run}
}

// moved makes a testCase that needs Backend.Move.
func moved(name string, run func(*testing.T, *fixture)) testCase {
	c := rule(name, run)
	c.needs.move = true
	return c
}
