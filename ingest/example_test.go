package ingest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// A delivery is verified, appended and answered; delivered again, it is answered alike and stored once.
func Example() {
	orders, err := hmachook.New(hmachook.Config{Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	const secret = "dev-orders-secret"
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: orders, Secrets: ingest.Fixed(ingest.NewSecrets(secret)...)})
	if err != nil {
		fmt.Println(err) // every mistake at once
		return
	}
	store := &ingesttest.Log{} // an *eventstore.Store in earnest
	handler := ingest.NewHandler(store, reg, ingest.Options{})

	body := `{"id":"ordevt_1","type":"order.placed","created":1700000000,"data":{"order_id":"o_1","customer":"cus_1"}}`
	for _, key := range []string{secret, secret, "dev-another-secret"} {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/orders", strings.NewReader(body))
		req.Header = ingesttest.HMAC([]byte(body), key)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		fmt.Println(answer.Code, strings.Split(answer.Body.String(), ",")[0])
	}
	for _, e := range store.Events() {
		fmt.Println(e.Stream, e.Type, e.ID)
	}
	// Output:
	// 200 {"received": true}
	// 200 {"received": true}
	// 400 {"title":"Bad signature"
	// orders/cus_1 order.placed ordevt_1
}
