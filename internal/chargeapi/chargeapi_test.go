package chargeapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "dev-charge-token"

// shop is POST /charge with everything behind it.
type shop struct {
	t       *testing.T
	store   *eventstore.Store
	sim     *chargetest.Simulator
	handler http.Handler
}

func open(t *testing.T, workers int, change func(*chargeapi.Config)) *shop {
	t.Helper()
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, store: eventstore.New(db, eventstore.Options{}), sim: chargetest.New(chargetest.Options{})}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	gateway, err := stripecharge.New(stripecharge.Config{Key: "sk_test_hooksaga_dev", Mode: stripecharge.Test, APIBase: "http://stripe.test",
		HTTPClient: &http.Client{Transport: s.sim.Transport()}})
	if err != nil {
		t.Fatal(err)
	}
	router := &commands.Router{}
	charge.Register(router, gateway)
	d := dispatch.New(s.store, router, dispatch.Config{Workers: workers, CallTimeout: 5 * time.Second, Grace: 10 * time.Millisecond}, nil, nil)
	if workers > 0 {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		t.Cleanup(func() {
			stop()
			running.Wait()
		})
	}
	cfg := chargeapi.Config{Token: token, Wait: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	s.handler = chargeapi.New(s.store, router, d, cfg, nil)
	return s
}

// body is a request for an order of 12.50, changed as said.
func body(method string, more ...any) string {
	fields := map[string]any{"event_id": "evt_1", "order_id": "o_1", "customer": "cus_1", "amount": 1250, "currency": "usd", "payment_method": method}
	for i := 0; i < len(more); i += 2 {
		fields[more[i].(string)] = more[i+1]
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

type answer struct {
	code   int
	header http.Header
	Status any    `json:"status"`
	ID     string `json:"command_id"`
	Intent string `json:"payment_intent"`
	Amount int64  `json:"amount"`
	Code   string `json:"code"`
	Errors []struct{ Field, Detail string }
}

func (s *shop) post(body string, change ...func(*http.Request)) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/charge", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	a := answer{code: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		s.t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	return a
}

func TestACharge(t *testing.T) {
	t.Parallel()
	s := open(t, 4, nil)
	first := s.post(body("pm_card_visa"))
	if first.code != 200 || first.Status != "succeeded" || first.Amount != 1250 || !strings.HasPrefix(first.Intent, "pi_") || first.ID == "" {
		t.Fatalf("%+v", first)
	}
	again := s.post(body("pm_card_visa", "source", "orders"))
	if again.code != 200 || again.Intent != first.Intent || again.ID != first.ID {
		t.Errorf("%+v", again)
	}
	if n := s.sim.Charged("o_1").Count; n != 1 {
		t.Errorf("charged %d times", n)
	}
	var types []string
	for e, err := range s.store.Stream(t.Context(), "command/"+first.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type+" "+e.Source+" "+e.Subject+" "+e.CorrelationID)
	}
	if diff := cmp.Diff([]string{"charge.requested hooksaga cus_1 evt_1", "charge.succeeded hooksaga cus_1 evt_1"}, types); diff != "" {
		t.Error(diff)
	}
}

func TestADecline(t *testing.T) {
	t.Parallel()
	s := open(t, 4, nil)
	for range 2 {
		if a := s.post(body("pm_card_chargeDeclinedInsufficientFunds")); a.code != 402 || a.Status != "rejected" || a.Code != "insufficient_funds" {
			t.Errorf("%+v", a)
		}
	}
}

func TestTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, 4, nil)
	if a := s.post(body("pm_missing")); a.code != 502 || a.Status != "failed" {
		t.Errorf("%+v", a)
	}
}

func TestOtherParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, 4, nil)
	if a := s.post(body("pm_card_visa")); a.code != 200 {
		t.Fatalf("%+v", a)
	}
	if a := s.post(body("pm_card_visa", "amount", 1251)); a.code != 409 || a.Code != "other_parameters" {
		t.Errorf("%+v", a)
	}
	if total := s.sim.Charged("o_1"); total.Received != 1250 {
		t.Errorf("%+v", total)
	}
}

func TestManyAtOnceChargeOnce(t *testing.T) {
	t.Parallel()
	s := open(t, 4, nil)
	if err := s.sim.Script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	answers := make([]answer, 32)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = s.post(body("pm_card_visa")) })
	}
	all.Wait()
	for _, a := range answers {
		if a.code != 200 || a.Intent != answers[0].Intent || a.Intent == "" {
			t.Errorf("%+v", a)
		}
	}
	if n := len(s.sim.Effects("o_1")); n != 1 || s.sim.Hits("lose") != 1 {
		t.Errorf("%d payments, %d answers lost", n, s.sim.Hits("lose"))
	}
}

// A saga has asked for the same order. One payment answers both.
func TestASagaHasAskedFor(t *testing.T) {
	t.Parallel()
	s := open(t, 0, func(c *chargeapi.Config) { c.Wait = 50 * time.Millisecond })
	c := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_1", Order: "o_1", Customer: "cus_1", Amount: 1250, Currency: "usd", Method: "pm_card_visa"})
	c.Saga, c.Key, c.Decision, c.CorrelationID = "order-payment", "o_1", "decision_1", "evt_1"
	change, err := lifecycle.Born(c, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.store.Commit(t.Context(), driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{lifecycle.Asked(c)}}); err != nil || v.Code != driver.Committed {
		t.Fatal(v, err)
	}
	for range 2 { // nobody executes it here
		if a := s.post(body("pm_card_visa")); a.code != 202 || a.Status != "pending" || a.ID != string(c.ID) || a.header.Get("Retry-After") == "" {
			t.Errorf("%+v", a)
		}
	}
	rows, err := s.store.Driver().Commands(t.Context(), []string{string(c.ID)})
	if err != nil || len(rows) != 1 || rows[0].Askers != 2 {
		t.Errorf("%+v %v", rows, err)
	}
}

// Whoever follows the store for all leaves. Another who waits is answered all the same.
func TestWhoFollowsTheStoreHandsOver(t *testing.T) {
	t.Parallel()
	s := open(t, 0, func(c *chargeapi.Config) { c.Wait = time.Hour })
	ask := func(order string) (leave context.CancelFunc, code chan int, row driver.Command) {
		ctx, leave := context.WithTimeout(t.Context(), time.Minute)
		code = make(chan int, 1)
		go func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/charge", strings.NewReader(body("pm_card_visa", "event_id", order, "order_id", order)))
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			code <- w.Code
		}()
		for {
			head, err := s.store.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := s.store.Driver().ListCommands(ctx, driver.CommandQuery{CorrelationID: order})
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) > 0 {
				return leave, code, rows[0]
			}
			if err := s.store.Wait(ctx, head.Position); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave, left, _ := ask("o_1")
	stop, answered, row := ask("o_2")
	defer stop()
	leave()
	<-left
	askers, err := s.store.Driver().Askers(t.Context(), []string{row.ID})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.store.Commit(t.Context(), lifecycle.Close(row, askers, commands.CancelledEvent(row.Name), time.Now()))
	if err != nil || v.Code != driver.Committed {
		t.Fatal(v, err)
	}
	if code := <-answered; code != 409 {
		t.Errorf("answered %d", code)
	}
}

func TestAnUnansweredCharge(t *testing.T) {
	t.Parallel()
	s := open(t, 4, func(c *chargeapi.Config) { c.Wait = 2 * time.Second })
	if err := s.sim.Script(chargetest.Fault{Kind: chargetest.Lose}); err != nil {
		t.Fatal(err)
	}
	if a := s.post(body("pm_card_visa")); a.code != 202 || a.Status != "unknown" {
		t.Errorf("%+v", a)
	}
	s.sim.Heal()
	a := s.post(body("pm_card_visa"))
	for a.code == 202 { // the pause between attempts may be longer than one request waits
		a = s.post(body("pm_card_visa"))
	}
	if a.code != 200 || s.sim.Charged("o_1").Count != 1 {
		t.Errorf("%+v", a)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, 0, nil)
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		code   int
		field  string
	}{
		"no token":        {body("pm_card_visa"), func(r *http.Request) { r.Header.Del("Authorization") }, 401, ""},
		"another token":   {body("pm_card_visa"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }, 401, ""},
		"another scheme":  {body("pm_card_visa"), func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }, 401, ""},
		"GET":             {"", func(r *http.Request) { r.Method = http.MethodGet }, 405, ""},
		"a form":          {"amount=1", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, ""},
		"no JSON":         {"{", nil, 400, ""},
		"two values":      {body("pm_card_visa") + "{}", nil, 400, ""},
		"too large":       {`{"event_id":"` + strings.Repeat("x", 70<<10) + `"}`, nil, 413, ""},
		"unknown field":   {body("pm_card_visa", "ammount", 1), nil, 400, "ammount"},
		"no event":        {body("pm_card_visa", "event_id", ""), nil, 400, "event_id"},
		"no customer":     {body("pm_card_visa", "customer", ""), nil, 400, "customer"},
		"no order":        {body("pm_card_visa", "order_id", ""), nil, 400, "order_id"},
		"no method":       {body(""), nil, 400, "payment_method"},
		"zero amount":     {body("pm_card_visa", "amount", 0), nil, 400, "amount"},
		"half a cent":     {body("pm_card_visa", "amount", 12.5), nil, 400, "amount"},
		"text for amount": {body("pm_card_visa", "amount", "1250"), nil, 400, "amount"},
		"currency":        {body("pm_card_visa", "currency", "USD"), nil, 400, "currency"},
		"long id":         {body("pm_card_visa", "event_id", strings.Repeat("x", 501)), nil, 400, "event_id"},
		"control":         {body("pm_card_visa", "order_id", "a\x00b"), nil, 400, "order_id"},
	} {
		if c.change == nil {
			c.change = func(*http.Request) {}
		}
		a := s.post(c.body, c.change)
		if a.code != c.code || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %+v", name, a)
		}
		if c.field != "" && (len(a.Errors) != 1 || a.Errors[0].Field != c.field || a.Errors[0].Detail == "") {
			t.Errorf("%s: %+v", name, a.Errors)
		}
	}
	if head, err := s.store.Head(t.Context()); err != nil || head.Position != 0 {
		t.Errorf("stored up to %d (%v)", head.Position, err)
	}
}

func TestTheStoreIsAway(t *testing.T) {
	t.Parallel()
	s := open(t, 0, nil)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.post(body("pm_card_visa")); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
}
