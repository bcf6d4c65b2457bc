package stack_test

import (
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/internal/stack"
)

// BenchmarkDeep: one operation is a new goroutine that needs some 6 KB of stack, call by call.
func BenchmarkDeep(b *testing.B) {
	for _, c := range []struct {
		name string
		grow func()
	}{{"grown", stack.Grow}, {"as it comes", func() {}}} {
		b.Run(c.name, func(b *testing.B) {
			var done sync.WaitGroup
			for b.Loop() {
				done.Go(func() {
					c.grow()
					deep(24)
				})
				done.Wait()
			}
		})
	}
}

//go:noinline
func deep(n int) byte {
	var frame [256]byte
	if n > 0 {
		frame[n] = deep(n - 1)
	}
	return frame[n] + byte(n)
}

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestGrowLeavesTheGoroutineAsItWas(t *testing.T) {
	if n := testing.AllocsPerRun(10, stack.Grow); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
