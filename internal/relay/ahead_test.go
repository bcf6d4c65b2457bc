package relay_test

import (
	"context"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// watched is a driver that tells of each page that is read.
type watched struct {
	driver.Store
	after chan eventstore.Position
}

func (w *watched) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	w.after <- q.After
	return w.Store.Read(ctx, q)
}

func TestReadsTheNextBatchWhileOneIsPublished(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "stripe/b:2", "stripe/c:3", "stripe/d:4", "stripe/e:5")
	pages := &watched{Store: w.spy, after: make(chan eventstore.Position, 10)}
	w.store = eventstore.New(pages, eventstore.Options{}) // one that remembers nothing, and must read
	p.respond = func(string, []string) error {
		if p.calls == 0 {
			for <-pages.after != 2 { // the page behind this one
			}
			return partly{true, false} // what was read ahead must not overtake
		}
		return nil
	}
	r := w.relay("one", p, relay.Config{Batch: 2})
	if err := drain(t, r); err == nil {
		t.Fatal("no error")
	}
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	w.expect(p, "stripe 1, stripe 2, stripe 3, stripe 4, stripe 5", 5)
	close(pages.after)
	twice := map[eventstore.Position]bool{}
	for after := range pages.after {
		if twice[after] {
			t.Errorf("what follows on %d was read twice", after)
		}
		twice[after] = true
	}
	w.store = eventstore.New(w.spy, eventstore.Options{})
}
