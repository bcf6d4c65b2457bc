package serving

// What the program and the outside world of a run share.
const (
	StripeKey      = "sk_test_trial_dev"
	StripeSecret   = "whsec_dev_trial_stripe"
	OrdersSecret   = "whsec_dev_trial_orders"
	CallbackSecret = "whsec_dHJpYWxzIG9ubHk6IHNpZ25zIGNhbGxiYWNrcw=="
)
