package storetest_test

import (
	"fmt"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/storetest"
)

// memory stands for an implementation under test.
type memory struct{ driver.Store }

func (memory) Close() error { return nil }

// Example shows what an implementation's own test hands to the suite: in a test file, TestStore and BenchmarkStore call
// storetest.Run(t, backend) and storetest.RunBenchmarks(b, backend).
func Example() {
	backend := func(tb testing.TB) storetest.Backend {
		return storetest.Backend{
			Open: func(testing.TB) driver.Store { return memory{} }, // another handle on the one store of this Backend
			Move: nil,                                               // the clock is the database's own
		}
	}
	TestStore := func(t *testing.T) { storetest.Run(t, backend) }
	BenchmarkStore := func(b *testing.B) { storetest.RunBenchmarks(b, backend) }
	fmt.Println(TestStore != nil, BenchmarkStore != nil)
	// Output: true true
}
