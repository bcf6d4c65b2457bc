package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// echo answers every byte with itself until the test ends.
func echo(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// chatter says something on the wire again and again, and counts what comes back and what breaks, until ctx ends. What
// does not come back within patience is broken.
func chatter(ctx context.Context, address string, patience time.Duration) (answered, broken int) {
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			broken++
			rest(ctx, time.Millisecond)
			continue
		}
		buffer := make([]byte, 64)
		for ctx.Err() == nil {
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err = c.Write(buffer); err == nil {
				_, err = io.ReadFull(c, buffer)
			}
			if err != nil {
				broken++
				break
			}
			answered++
			rest(ctx, time.Millisecond)
		}
		_ = c.Close()
	}
	return answered, broken
}

func TestEveryToxicHitsAndIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, toxic := range spoils(toStripe) {
		t.Run(string(toxic), func(t *testing.T) {
			t.Parallel()
			w, err := newWire(t.Name(), toStripe, "", echo(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(w.close)
			for _, direction := range []float64{0, 1} {
				ctx, cancel := context.WithCancel(t.Context())
				var talking sync.WaitGroup
				var answered, broken int
				talking.Go(func() { answered, broken = chatter(ctx, w.address(), 100*time.Millisecond) })
				before := w.up.chunks.Load()
				for w.up.chunks.Load() == before { // until the talk has begun
					rest(ctx, time.Millisecond)
				}
				if toxic == lingering {
					go func() { rest(ctx, 100*time.Millisecond); cancel() }() // who closes then is made to wait
				}
				hits, err := w.spoil(t.Context(), toxic, 400*time.Millisecond, [3]float64{0, direction, 0})
				cancel()
				talking.Wait()
				if err != nil || hits == 0 || toxic != lingering && broken == 0 && toxic != slow {
					t.Errorf("%d hits, %d answered, %d broken: %v", hits, answered, broken, err)
				}
				healed, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
				answered, broken = chatter(healed, w.address(), 10*time.Second) // however busy the machine is
				stop()
				if answered == 0 || broken > 0 {
					t.Errorf("afterwards: %d answered, %d broken", answered, broken)
				}
			}
		})
	}
}

func TestAToxicWithoutTrafficHitsNothing(t *testing.T) {
	t.Parallel()
	w, err := newWire(t.Name(), toStripe, "", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if hits, err := w.spoil(ctx, swallowed, time.Millisecond, [3]float64{}); err != nil || hits != 0 {
		t.Errorf("%d hits: %v", hits, err)
	}
}

func TestAWireThatCannotListenSaysSo(t *testing.T) {
	t.Parallel()
	w, err := newWire("first", toStripe, "", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if _, err := newWire("second", toStripe, w.address(), echo(t)); err == nil {
		t.Error("two wires listen at one address")
	}
}

func TestRestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	rest(ctx, time.Hour)
}
