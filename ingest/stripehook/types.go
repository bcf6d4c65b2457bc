package stripehook

import (
	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/eventstore"
)

//go:generate go run ./internal/typegen types_gen.go

func define[T any](t stripe.EventType) eventstore.Type[T] {
	return eventstore.Define[T](Name, string(t))
}
