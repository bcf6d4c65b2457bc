package saga_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

type book struct {
	Seen  []string
	Phase saga.Phase
}

type bookV1 struct{ Last string }

func seen[E any](b *book, in saga.In[E], out *saga.Out) {
	b.Seen = append(b.Seen, in.Type)
	switch in.Subject {
	case "panic":
		panic("boom")
	case "park":
		out.Park("no %d", 1)
	case "phase":
		b.Phase = "nowhere"
	case "timer":
		out.After("undeclared", time.Hour)
	}
}

func definition() *saga.Saga[book] {
	return saga.New("book",
		saga.Start(eventstore.Match("stripe", "invoice.*"), saga.BySubject, seen),
		saga.On(eventstore.Match("stripe", "invoice.c*"), saga.BySubject, seen),
		saga.On(stripehook.InvoicePaid.Where(func(i *stripe.Invoice) bool { return i.AmountPaid > 0 }), saga.BySubject, seen),
		saga.On(eventstore.Define[map[string]any]("github", "push"), func(in saga.In[map[string]any]) string { s, _ := in.Data["ref"].(string); return s }, seen),
		saga.Phases(func(b book) saga.Phase { return b.Phase }, saga.Deadlines{"": time.Hour}),
		saga.Upcast(1, func(old bookV1) book { return book{Seen: []string{old.Last}} }),
	)
}

func step(d saga.Definition, i *saga.Instance, e eventstore.Event) saga.Decision {
	r, err := d.Route(e)
	if err != nil {
		return saga.Decision{Disposition: saga.Parked, Reason: err.Error()}
	}
	return r.Step(i)
}

func event(source, typ, subject string, body string) eventstore.Event {
	return eventstore.Event{ID: typ + subject, Source: source, Type: typ, Subject: subject, Body: []byte(body)}
}

func TestStep(t *testing.T) {
	d := definition()
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	started := step(d, nil, event("stripe/acct_1/test", "invoice.created", "cus_1", `{}`))
	old := started.Instance
	old.Version, old.State = 1, json.RawMessage(`{"Last":"x"}`)
	ancient := old
	ancient.Version = 0
	for name, c := range map[string]struct {
		i    *saga.Instance
		e    eventstore.Event
		want saga.Disposition
		why  string
	}{
		"prefix starts":            {nil, event("stripe", "invoice.voided", "cus_1", `{}`), saga.Started, ""},
		"forged by another source": {nil, event("orders", "invoice.voided", "cus_1", `{}`), saga.Ignored, "no key"},
		"start only once":          {&started.Instance, event("stripe", "invoice.voided", "cus_1", `{}`), saga.Ignored, "already started"},
		"predicate leaves out":     {&started.Instance, event("stripe", "invoice.paid", "cus_1", `{"amount_paid":0}`), saga.Ignored, "left out by Where"},
		"early waits":              {nil, event("github", "push", "", `{"ref":"cus_1"}`), saga.Waiting, "not started"},
		"panic parks":              {&started.Instance, event("stripe", "invoice.created", "panic", `{}`), saga.Parked, "panic: boom"},
		"park parks":               {&started.Instance, event("stripe", "invoice.created", "park", `{}`), saga.Parked, "no 1"},
		"unknown phase parks":      {&started.Instance, event("stripe", "invoice.created", "phase", `{}`), saga.Parked, `phase "nowhere" is not declared`},
		"undeclared timer parks":   {&started.Instance, event("stripe", "invoice.created", "timer", `{}`), saga.Parked, `timer "undeclared" is armed but has no OnTimer rule`},
		"unreadable parks":         {nil, event("github", "push", "", `{`), saga.Parked, "decode"},
		"old state is lifted":      {&old, event("stripe", "invoice.created", "cus_1", `{}`), saga.Continued, ""},
		"older state parks":        {&ancient, event("stripe", "invoice.created", "cus_1", `{}`), saga.Parked, "version 0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := step(d, c.i, c.e)
			if got.Disposition != c.want || !strings.Contains(got.Reason, c.why) {
				t.Errorf("got %s (%s), want %s (%s)", got.Disposition, got.Reason, c.want, c.why)
			}
			if got.Disposition == saga.Parked && c.i != nil && string(got.Instance.State) != string(c.i.State) {
				t.Errorf("parking changed the state to %s", got.Instance.State)
			}
		})
	}
	if got := string(step(d, &old, event("stripe", "invoice.created", "cus_1", `{}`)).Instance.State); got != `{"Seen":["x","invoice.created"],"Phase":""}` {
		t.Error(got)
	}
}

func TestOverlapIsAMistake(t *testing.T) {
	paid, all := stripehook.InvoicePaid, eventstore.Match("*", "invoice.*")
	for name, c := range map[string]struct {
		rules []saga.Rule[book]
		want  string
	}{
		"start and on":   {[]saga.Rule[book]{saga.Start(all, saga.BySubject, seen), saga.On(paid, saga.BySubject, seen)}, ""},
		"two types":      {[]saga.Rule[book]{saga.Start(all, saga.BySubject, seen), saga.On(paid, saga.BySubject, seen), saga.On(stripehook.InvoiceVoided, saga.BySubject, seen)}, ""},
		"type twice":     {[]saga.Rule[book]{saga.Start(paid, saga.BySubject, seen), saga.Start(paid, saga.BySubject, seen)}, "already handles stripe invoice.paid"},
		"type in prefix": {[]saga.Rule[book]{saga.Start(paid, saga.BySubject, seen), saga.On(all, saga.BySubject, seen), saga.On(paid, saga.BySubject, seen)}, "already handles stripe invoice.paid"},
		"prefix on type": {[]saga.Rule[book]{saga.Start(paid, saga.BySubject, seen), saga.On(paid, saga.BySubject, seen), saga.On(all, saga.BySubject, seen)}, "already handles * invoice.*"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := saga.New("x", c.rules...).Check(); err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	theirs := saga.Derive("x", paid, eventstore.Define[string]("stripe", "invoice.forged"), func(saga.In[*stripe.Invoice]) string { return "" })
	if err := theirs.Check(); err == nil || !strings.Contains(err.Error(), "not ours to make") || !strings.Contains(err.Error(), "saga_test.go:") {
		t.Errorf("got %v", err)
	}
}

type trip struct{}

// fired is the event of an instance's timer.
func fired(i saga.Instance, t saga.Timer) eventstore.Event {
	return saga.FiredAt(i.Saga, i.Key, t, i.Timers[t], time.Time{}, time.Time{}).Event
}

// spender sends two commands, one of them money, and ends as it is told.
func spender(rules ...saga.Rule[trip]) saga.Definition {
	end := func(how func(*saga.Out)) saga.Handler[trip, saga.Fired] {
		return func(_ *trip, _ saga.In[saga.Fired], out *saga.Out) { how(out) }
	}
	return saga.New("spender", append(rules,
		saga.Start(eventstore.Define[trip]("shop", "began"), saga.BySubject, func(_ *trip, in saga.In[trip], out *saga.Out) {
			saga.Send(out, charge.Create, charge.Payment{Source: in.Source, OrderEvent: in.ID})
			saga.Send(out, access.Grant, access.Holder{})
			for _, t := range []saga.Timer{"complete", "compensate"} {
				out.After(t, time.Hour)
			}
		}),
		saga.OnTimer("complete", end((*saga.Out).Complete)),
		saga.OnTimer("compensate", end(func(out *saga.Out) { out.Compensate("so") })),
	)...)
}

func begin(t *testing.T, d saga.Definition) (i saga.Instance, money, other commands.Command) {
	t.Helper()
	dec := step(d, nil, event("shop", "began", "k", `{}`))
	if dec.Disposition != saga.Started || len(dec.Commands) != 2 || len(dec.Instance.Open) != 2 {
		t.Fatalf("got %+v", dec)
	}
	return dec.Instance, dec.Commands[0], dec.Commands[1]
}

func TestWhatNobodyHandles(t *testing.T) {
	failure := commands.Failure{}
	d := spender()
	for _, end := range []saga.Timer{"", "complete", "compensate"} {
		for _, c := range []struct {
			outcome  eventstore.NewEvent
			money    bool
			escalate map[saga.Timer]string // by how the instance ended; "" is ignored
		}{
			{charge.Create.Succeeded().New(charge.Receipt{}), true, map[saga.Timer]string{"complete": "charge.succeeded on a completed instance", "compensate": "charge.succeeded has no rule"}},
			{access.Grant.Succeeded().New(commands.None{}), false, nil},
			{charge.Create.Rejected().New(commands.Rejection{}), true, map[saga.Timer]string{"": "charge.rejected has no rule", "complete": "charge.rejected on a completed instance", "compensate": "charge.rejected has no rule"}},
			{access.Grant.Failed().New(failure), false, map[saga.Timer]string{"": "grant-access.failed has no rule", "complete": "grant-access.failed on a completed instance", "compensate": "grant-access.failed has no rule"}},
			{charge.Create.Unresolved().New(failure), true, map[saga.Timer]string{"": "charge.unresolved has no rule", "complete": "charge.unresolved on a completed instance", "compensate": "charge.unresolved has no rule"}},
		} {
			i, ask, other := begin(t, d)
			if end != "" {
				i = step(d, &i, fired(i, end)).Instance
			}
			if !c.money {
				ask = other
			}
			got := step(d, &i, ask.Answer(c.outcome).Event)
			if want := c.escalate[end]; got.Disposition != saga.Continued || // the command is not open any more
				want == "" && len(got.Escalated) != 0 || want != "" && (len(got.Escalated) != 1 || got.Escalated[0] != want) {
				t.Errorf("%s after %q: got %s (%s) %q, want %q", c.outcome.Type, end, got.Disposition, got.Reason, got.Escalated, want)
			}
			if _, open := got.Instance.Open[ask.ID]; open || len(got.Instance.Open) != 1 || got.Instance.Terminal() {
				t.Errorf("%s after %q: left open %v", c.outcome.Type, end, got.Instance.Open)
			}
		}
	}
}

func TestTerminalWhenAllCommandsAre(t *testing.T) {
	for _, end := range []saga.Timer{"complete", "compensate"} {
		d := spender(saga.OnOutcome(charge.Create.Succeeded(), func(_ *trip, in saga.In[charge.Receipt], out *saga.Out) {
			saga.Undo(out, charge.Refund, charge.Intent{ID: in.Data.Intent})
		}))
		i, money, other := begin(t, d)
		i = step(d, &i, fired(i, end)).Instance
		answers := []eventstore.NewEvent{other.Answer(access.Grant.Succeeded().New(commands.None{})), money.Answer(charge.Create.Succeeded().New(charge.Receipt{Intent: "pi_1"}))}
		for len(answers) > 0 {
			if i.Terminal() {
				t.Fatalf("%s: terminal with %v open", end, i.Open)
			}
			dec := step(d, &i, answers[0].Event)
			i, answers = dec.Instance, answers[1:]
			for _, c := range dec.Commands {
				if end != "compensate" || c.Name != charge.Refund.Name() {
					t.Errorf("%s: sent %s", end, c.Name)
				}
				answers = append(answers, c.Answer(charge.Refund.Succeeded().New(commands.None{})))
			}
		}
		if !i.Terminal() {
			t.Errorf("%s: got %+v", end, i)
		}
	}
}

func TestCommandIDs(t *testing.T) {
	ask := func(name, key, source, id string) (money, second, other, again commands.ID) {
		out := saga.NewOut(name, key, eventstore.Event{Source: source, ID: id})
		money = saga.Send(out, charge.Create, charge.Payment{Source: "orders", OrderEvent: "ordevt_1", Order: key})
		second = saga.Send(out, charge.Create, charge.Payment{Source: "orders", OrderEvent: "ordevt_1", Attempt: 1})
		other, again = saga.Send(out, access.Cancel, access.Holder{}), saga.Send(out, access.Cancel, access.Holder{})
		return money, second, other, again
	}
	money, second, other, again := ask("s", "k", "shop", "e_1")
	if m, s, o, a := ask("s", "k", "shop", "e_1"); m != money || s != second || o != other || a != again {
		t.Error("decided again, the ids are others")
	}
	if outside := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "ordevt_1"}).ID; outside != money || money == second || other == again {
		t.Error(outside, money, second, other, again)
	}
	for _, who := range [][4]string{{"S", "k", "shop", "e_1"}, {"s", "K", "shop", "e_1"}, {"s", "k", "stripe", "e_1"}, {"s", "k", "shop", "e_2"}} {
		if m, _, o, _ := ask(who[0], who[1], who[2], who[3]); m != money || o == other {
			t.Errorf("asked by %q: money %s, want %s; other %s, want one of its own", who, m, money, o)
		}
	}
	if err := charge.Refund.New(charge.Intent{}).Err(); err == nil {
		t.Error("an empty business key makes all commands one")
	}
}

func TestTimersCountFromTheDecision(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	d := spender()
	dec := step(d, nil, event("shop", "began", "k", `{}`))
	if got := dec.Timers[0].DueBy(now); !got.Equal(now.Add(time.Hour)) {
		t.Error(got)
	}
	stale := dec.Instance
	stale.Timers = map[saga.Timer]string{"complete": "shop/another"}
	if got := step(d, &dec.Instance, fired(stale, "complete")); got.Disposition != saga.Ignored {
		t.Errorf("armed again, the earlier timer still fires: %+v", got)
	}
}

func TestMapWhere(t *testing.T) {
	d := saga.Map("x", stripehook.CustomerSubscriptionDeleted.Where(func(s *stripe.Subscription) bool { return s.Livemode }), access.Cancel,
		func(in saga.In[*stripe.Subscription]) access.Holder { return access.Holder{Subscription: in.Data.ID} })
	if got := step(d, nil, event("stripe", "customer.subscription.deleted", "", `{"livemode":false}`)); got.Disposition != saga.Ignored {
		t.Error(got)
	}
	a := step(d, nil, event("stripe", "customer.subscription.deleted", "", `{"id":"s","livemode":true}`))
	b := step(d, nil, event("stripe", "customer.subscription.deleted", "", `{"id":"s","livemode":true}`))
	if len(a.Commands) != 1 || a.Commands[0].ID != b.Commands[0].ID || a.Commands[0].ID == "" {
		t.Error(a, b)
	}
}
