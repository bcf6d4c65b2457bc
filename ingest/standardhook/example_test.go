package standardhook_test

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/standardhook"
)

// Example signs an outgoing message, and verifies it as its receiver would.
func Example() {
	const secret, id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1_614_265_330, 0)
	signature, err := standardhook.Sign(secret, id, now, body)
	fmt.Println(signature, err)

	h := http.Header{}
	h.Set(standardhook.HeaderID, id)
	h.Set(standardhook.HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardhook.HeaderSignature, signature)
	provider, err := standardhook.New(standardhook.Options{Name: "callbacks"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = provider.Verify(ingest.Request{Body: body, Header: h, Now: now.Add(time.Minute), Secrets: ingest.NewSecrets(secret)})
	fmt.Println(err)
	// Output:
	// v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= <nil>
	// <nil>
}
