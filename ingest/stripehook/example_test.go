package stripehook_test

import (
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// Example verifies and reads a delivery, and decodes its payload by the event's descriptor.
func Example() {
	body := []byte(`{"id":"evt_1","object":"event","type":"customer.subscription.deleted","created":1750000000,"livemode":false,` +
		`"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1","status":"canceled"}}}`)
	now := time.Unix(1_750_000_060, 0)
	request := ingest.Request{Body: body, Now: now, Secrets: ingest.NewSecrets("whsec_dev_example"),
		Header: ingesttest.Stripe(body, now, "whsec_dev_example")}

	provider := stripehook.New(stripehook.Options{})
	if _, err := provider.Verify(request); err != nil {
		fmt.Println(err)
		return
	}
	events, err := provider.Parse(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	e := events[0].Event
	fmt.Println(e.Source, e.Subject, e.Type)
	sub, _, err := stripehook.CustomerSubscriptionDeleted.Decode(e)
	fmt.Println(sub.ID, sub.Status, err)
	// Output:
	// stripe/test cus_1 customer.subscription.deleted
	// sub_1 canceled <nil>
}
