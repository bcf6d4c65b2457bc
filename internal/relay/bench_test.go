package relay_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// BenchmarkRelay: one operation is one event of 3.6 KB, read and published.
func BenchmarkRelay(b *testing.B) {
	b.Run("stored", func(b *testing.B) {
		w := newWorld(b)
		w.fill(b.N)
		b.ResetTimer()
		r := relay.New(w.store, bus.Stored{}, bus.DefaultTopics(), relay.Bare, relay.Config{Holder: "b"}, slog.New(slog.DiscardHandler), nil)
		if err := drain(b, r); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("kafka", func(b *testing.B) {
		w := newWorld(b)
		w.fill(b.N)
		k, err := bus.OpenKafka(b.Context(), bus.Config{Brokers: kafkatest.Fake(b), Role: "engine"}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer k.Close()
		b.ResetTimer()
		if err := drain(b, w.overKafka("b", k)); err != nil {
			b.Fatal(err)
		}
	})
}

// fill stores n events of 1,000 keys.
func (w *world) fill(n int) {
	body := make([]byte, 3600)
	for i := range body {
		body[i] = "{}  "[i%4]
	}
	for from := 0; from < n; from += 500 {
		var events []eventstore.NewEvent
		for i := from; i < min(n, from+500); i++ {
			events = append(events, eventstore.NewEvent{Event: eventstore.Event{Source: "stripe/a/test", ID: fmt.Sprint("evt_", i), Type: "invoice.paid",
				Subject: fmt.Sprint("cus_", i%1000), Body: body}})
		}
		if _, err := w.store.Append(w.t.Context(), "stripe/all", eventstore.Any, events...); err != nil {
			w.t.Fatal(err)
		}
	}
}
