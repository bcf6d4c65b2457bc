package demo_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/demo"
)

// forgetful is a Stripe that does not look at idempotency keys.
func forgetful(stripe http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Idempotency-Key")
		stripe.ServeHTTP(w, r)
	})
}

// refuses is a service that does not carry out commands of a type.
func refuses(command string) func(notify.Callback, int) int {
	return func(c notify.Callback, _ int) int {
		if c.Type == command {
			return http.StatusUnprocessableEntity
		}
		return 0
	}
}

// resend is a sender whose nth webhook to a path is not the one it was given.
func resend(path string, nth int, change func(*http.Request)) func(*http.Request) (*http.Response, error) {
	var mu sync.Mutex
	sent := 0
	return func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		if r.URL.Path == path {
			if sent++; sent == nth {
				change(r)
			}
		}
		mu.Unlock()
		return http.DefaultClient.Do(r)
	}
}

// Every check sees a world in which what it claims is not so.
func TestEachCheckCanBreak(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check    int
		outside  demo.Outside
		patience time.Duration
		want     string
	}{
		"the card of the first order is declined": {1, demo.Outside{
			Faults: []chargetest.Fault{{Kind: chargetest.Decline, Order: "o_1"}}}, 0, "the saga: compensated, not completed"},
		"the shop does not cancel the order": {2, demo.Outside{
			Answer: refuses("cancel-order")}, 0, "the saga: compensation-failed, not compensated"},
		"the webhook that comes again is another": {3, demo.Outside{
			Send: resend("/webhooks/orders", 2, anotherOrder)}, 0, "events that the duplicates added: "},
		"Stripe's webhook that comes again is not answered": {3, demo.Outside{
			Send: resend("/webhooks/stripe", 1, unsigned)}, 0, "the webhook of stripe was answered 400"},
		"Stripe charges twice for a repeated request": {4, demo.Outside{
			Stripe: forgetful}, 0, "charges in the ledger: {Count:2 Received:8400 "},
		"no money had moved when the answer was lost": {4, demo.Outside{
			Faults: []chargetest.Fault{{Kind: chargetest.Drop, Order: "o_4", Attempt: 1}}}, 0, "answers lost after an effect: 0, not 1"},
		"Stripe charges twice after the crash": {5, demo.Outside{
			Stripe: forgetful}, 0, "charges in the ledger: {Count:2 Received:25998 "},
		"the request of the first process never arrives": {5, demo.Outside{
			Faults: []chargetest.Fault{{Kind: chargetest.ServerErrorBefore, Order: "o_5"}}}, time.Second, "no request to Stripe is carried out"},
		"the shop does not cancel access": {6, demo.Outside{
			Answer: refuses("cancel-access")}, 0, "outcome: cancel-access.rejected, not cancel-access.succeeded"},
		"the webhook about the subscription is forged": {6, demo.Outside{
			Send: resend("/webhooks/stripe", 1, unsigned)}, 0, "the webhook of stripe was answered 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, stderr bytes.Buffer
			temp := t.TempDir()
			err := demo.Run(t.Context(), demo.Options{Executable: program(), Stdout: &out, Stderr: &stderr, TempDir: temp,
				Only: []int{c.check}, Outside: c.outside, Patience: c.patience})
			want(t, &out, err, c.check, c.want)
			if !strings.Contains(stderr.String(), "hooksaga is ready") {
				t.Errorf("the program's log is not shown, but\n%s", &stderr)
			}
			nothingLeft(t, temp, out.String())
		})
	}
}

// anotherOrder makes the webhook about the same order one with another id, signed as it should be.
func anotherOrder(r *http.Request) {
	body := read(r)
	body = bytes.Replace(body, []byte("ordevt_o_3"), []byte("ordevt_x_3"), 1)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("X-Hmac-Signature", demo.SignOrder(body))
}

func unsigned(r *http.Request) { r.Header.Del(chargetest.SignatureHeader) }

func read(r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is a bytes.Reader
	}
	return body
}

// One check that does not hold leaves the others alone.
func TestABrokenCheckIsCounted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{Executable: program(), Stdout: &out, TempDir: t.TempDir(),
		Outside: demo.Outside{Send: resend("/webhooks/orders", 4, anotherOrder)}})
	failed, is := errors.AsType[*demo.Failed](err)
	if !is || *failed != (demo.Failed{Held: 5, Of: 6}) || failed.Error() != "5 of 6 checks held" {
		t.Errorf("got %v", err)
	}
	if !strings.HasSuffix(out.String(), "\ndemo: 5 of 6 checks held\n") || !strings.Contains(out.String(), "\nnot ok 3 ") {
		t.Errorf("got\n%s", &out)
	}
}
