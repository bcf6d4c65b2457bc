package sagas

import "github.com/hooksaga/hooksaga/sagas/saga"

// All returns every saga of this package. A new one is a new file and a line here.
func All() []saga.Definition {
	return []saga.Definition{
		CancelAccess(),
		OrderPayment(),
		PaymentsCompleted(),
		SubscriptionAccess(),
	}
}
