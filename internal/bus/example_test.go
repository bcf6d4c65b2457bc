package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// A handler behind a router, in the process: Publish returns its answer.
func Example() {
	router, gate, err := bus.NewRouter(slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	pair := bus.NewInProcess()
	router.AddConsumerHandler("stripe-onStripeEvent", "integration-stripe-events", pair, func(m *message.Message) error {
		if m.UUID == "evt_2" {
			return errors.New("no")
		}
		return nil
	})
	ctx := context.Background()
	ran := make(chan error, 1)
	go func() { ran <- router.Run(ctx) }()

	for _, id := range []string{"evt_1", "evt_2"} {
		err := pair.Publish("integration-stripe-events", message.NewMessage(id, nil))
		fmt.Println(id, err == nil, errors.Is(err, bus.ErrNacked))
	}
	fmt.Println(gate.Drain(ctx), router.Close(), <-ran)
	// Output:
	// evt_1 true false
	// evt_2 false true
	// <nil> <nil> <nil>
}
