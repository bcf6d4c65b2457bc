package notify_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/notify"
)

// secret is base64 of a sentence that says it is none.
func secret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte("a development secret, not a real one"))
}

func notifier(t *testing.T, url string, change func(*notify.Config)) *commands.Router {
	t.Helper()
	cfg := notify.Config{URL: url, Secret: secret(), Timeout: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	n, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &commands.Router{}
	notify.Register(r, n)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	return r
}

func cancel() commands.Command {
	c := access.Cancel.New(access.Holder{Customer: "cus_1", Subscription: "sub_1", Reason: "subscription deleted"})
	c.ID, c.Subject, c.CorrelationID = commands.NewID("cancel-access", "test"), "cus_1", "evt_9"
	return c
}

func receiver(t *testing.T, answer func(notify.Callback, int) int) (*notify.Receiver, string) {
	t.Helper()
	v, err := notify.NewReceiver(notify.ReceiverConfig{Secret: secret(), Answer: answer})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return v, server.URL
}

func TestACallbackIsSignedAndCarriedOutOnce(t *testing.T) {
	t.Parallel()
	v, url := receiver(t, func(_ notify.Callback, n int) int { return map[int]int{1: 503, 2: 429}[n] })
	r := notifier(t, url, nil)
	c := cancel()
	var words []string
	for n := range 4 {
		out, err := r.Do(t.Context(), c, commands.Request{}, commands.Attempt{Number: n + 1})
		words = append(words, word(out.Type, err))
	}
	if diff := cmp.Diff([]string{"unknown", "again", "cancel-access.succeeded", "cancel-access.succeeded"}, words); diff != "" {
		t.Error(diff)
	}
	got, err := v.Wait(t.Context(), func(c notify.Callback) bool { return c.Type == "cancel-access" })
	if err != nil {
		t.Fatal(err)
	}
	want := notify.Callback{CommandID: string(c.ID), Type: "cancel-access", Subject: "cus_1", CorrelationID: "evt_9", Data: c.Args}
	if diff := cmp.Diff(want, got.Callback); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(notify.Counts{Done: 1, Deliveries: 4, Duplicates: 1}, v.Counts()); diff != "" {
		t.Error(diff)
	}
	if all := v.Received(); len(all) != 1 || all[0].Deliveries != 4 {
		t.Errorf("%+v", all)
	}
}

// The reference implementation accepts the signature.
func TestTheSignatureIsStandard(t *testing.T) {
	t.Parallel()
	reference, err := standardwebhooks.NewWebhook(secret())
	if err != nil {
		t.Fatal(err)
	}
	verified := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		if err := reference.Verify(body, r.Header); err != nil {
			t.Error(err)
		}
		verified = r.Header.Get("Idempotency-Key") == r.Header.Get("Webhook-Id") && json.Valid(body)
	}))
	defer server.Close()
	c := cancel()
	if _, err := notifier(t, server.URL, nil).Do(t.Context(), c, commands.Request{}, commands.Attempt{}); err != nil || !verified {
		t.Errorf("verified %v, error %v", verified, err)
	}
}

func word(outcome string, err error) string {
	advice := commands.Advise(err)
	switch {
	case err == nil:
		return outcome
	case advice.Unknown:
		return "unknown"
	case advice.After > 0:
		return "after " + advice.After.String()
	}
	return "again"
}

func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "cancel-access.succeeded", 204: "cancel-access.succeeded", 302: "again", 307: "again", 400: "again", 401: "again", 404: "again",
		408: "after 3s", 410: "cancel-access.rejected", 422: "cancel-access.rejected", 425: "after 3s", 429: "after 3s", 500: "unknown", 503: "unknown",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			hits := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hits++
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(status)
			}))
			defer server.Close()
			out, err := notifier(t, server.URL, nil).Do(t.Context(), cancel(), commands.Request{}, commands.Attempt{})
			if got := word(out.Type, err); got != want {
				t.Errorf("%s (%v), want %s", got, err, want)
			}
			if hits != 1 {
				t.Errorf("%d requests", hits)
			}
		})
	}
}

func TestWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer silent.Close()
	defer close(hold)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]string{silent.URL + "/token-dev": "unknown", gone.URL + "/token-dev": "again"} {
		impatient := func(c *notify.Config) { c.Timeout = 100 * time.Millisecond }
		out, err := notifier(t, url, impatient).Do(t.Context(), cancel(), commands.Request{}, commands.Attempt{})
		if got := word(out.Type, err); got != want || strings.Contains(err.Error(), "token") {
			t.Errorf("%s (%v), want %s", got, err, want)
		}
	}
}

func TestAReceiverRefusesWhatIsNotAuthentic(t *testing.T) {
	t.Parallel()
	v, url := receiver(t, nil)
	other := base64.StdEncoding.EncodeToString([]byte("another secret"))
	yesterday := func() time.Time { return time.Now().Add(-24 * time.Hour) }
	for name, change := range map[string]func(*notify.Config){
		"secret": func(c *notify.Config) { c.Secret = other },
		"past":   func(c *notify.Config) { c.Now = yesterday },
		"future": func(c *notify.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } },
	} {
		out, err := notifier(t, url, change).Do(t.Context(), cancel(), commands.Request{}, commands.Attempt{})
		if got := word(out.Type, err); got != "again" {
			t.Errorf("%s: %s (%v)", name, got, err)
		}
	}
	res, err := http.Get(url)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v", err)
	}
	_ = res.Body.Close()
	if diff := cmp.Diff(notify.Counts{Refused: 3}, v.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []notify.Config{{Secret: secret()}, {URL: "ftp://x", Secret: secret()}, {URL: "http://x"}, {URL: "http://x", Secret: "whsec_not base64"}} {
		if _, err := notify.New(c); err == nil || c.Secret != "" && strings.Contains(err.Error(), c.Secret) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := notify.NewReceiver(notify.ReceiverConfig{}); !errors.Is(err, notify.ErrSecret) {
		t.Error(err)
	}
}

func Example() {
	receiver, err := notify.NewReceiver(notify.ReceiverConfig{Secret: secret()})
	if err != nil {
		fmt.Println(err)
		return
	}
	service := httptest.NewServer(receiver)
	defer service.Close()

	callbacks, err := notify.New(notify.Config{URL: service.URL, Secret: secret()})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := access.Grant.New(access.Holder{Customer: "cus_1", Subscription: "sub_1"})
	c.ID = commands.NewID("grant-access", "example")
	for range 2 { // a repetition is not carried out again
		if err := callbacks.Send(context.Background(), c); err != nil {
			fmt.Println(err)
		}
	}
	for _, got := range receiver.Received() {
		fmt.Printf("%s %s, %d deliveries\n", got.Type, got.Data, got.Deliveries)
	}
	// Output: grant-access {"customer":"cus_1","subscription":"sub_1"}, 2 deliveries
}
