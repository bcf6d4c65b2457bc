module wrongpayload.test

go 1.26.8

require (
	github.com/hooksaga/hooksaga v0.0.0
	github.com/stripe/stripe-go/v76 v76.25.0
)

replace github.com/hooksaga/hooksaga => ../../../..
