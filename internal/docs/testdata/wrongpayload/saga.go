// Package wrongpayload does not compile: its handler takes a customer where the event carries a subscription.
package wrongpayload

import (
	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

type ended struct{ Customer string }

func byCustomer(in saga.In[*stripe.Subscription]) string { return in.Data.Customer.ID }

// Goodbye has a handler of the wrong payload type.
func Goodbye() saga.Definition {
	return saga.New("goodbye",
		saga.Start(stripehook.CustomerSubscriptionDeleted, byCustomer, func(e *ended, in saga.In[*stripe.Customer], out *saga.Out) {
			e.Customer = in.Data.ID
			saga.Send(out, access.Cancel, access.Holder{Customer: e.Customer})
		}),
	)
}
