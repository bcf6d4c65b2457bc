package sim_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/relay"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func (w *world) mutantDispatch(n *node, c dispatch.Config) dispatch.Config {
	switch w.mutant {
	case "resends for ever":
		c.ResendFor = 10_000 * time.Hour
	case "the clock stands still with the process": // as Go's own does while a machine is suspended
		c.Clock = func() time.Duration { return time.Since(w.began) - n.froze }
	}
	return c
}

func (n *node) mutantSweep(c engine.SweepConfig) engine.SweepConfig {
	switch n.mutant {
	case "an older definition leads":
		c.Newest = nil
	case "goes on after an error":
		c.Deliver = func(ctx context.Context, in *engine.Input) error {
			if err := n.engine.Handle(ctx, in); err != nil {
				n.count("an error was swallowed")
			}
			return nil
		}
	}
	return c
}

// mutantWire is the way to Stripe, with a defect.
func (w *world) mutantWire(base http.RoundTripper) http.RoundTripper {
	sent, first := 0, map[string]string{} // by order
	return tripper(func(r *http.Request) (*http.Response, error) {
		switch key := r.Header.Get("Idempotency-Key"); {
		case w.mutant == "key with the attempt" && key != "":
			sent++
			r.Header.Set("Idempotency-Key", key+"-"+strconv.Itoa(sent))
		case w.mutant == "key without attempt" && key != "" && strings.HasSuffix(r.URL.Path, "/payment_intents"):
			if order := orderIn(r); order != "" {
				first[order] = cmp.Or(first[order], key)
				r.Header.Set("Idempotency-Key", first[order])
			}
		case w.mutant == "the clock stands still with the process":
			ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
			time.AfterFunc(25*time.Second, cancel) // which has not run meanwhile
			r = r.WithContext(ctx)
		}
		return base.RoundTrip(r)
	})
}

// orderIn reads which order a request is about, and leaves the request as it was.
func orderIn(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("metadata[order_id]")
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// mutantGateway is the gateway, with a defect.
func (w *world) mutantGateway(g charge.Gateway) charge.Gateway {
	switch w.mutant {
	case "absent look-up means failed", "a lost answer is a refusal":
		return wrong{g, w.mutant}
	}
	return g
}

type wrong struct {
	charge.Gateway
	how string
}

// List implements charge.Gateway.
func (g wrong) List(ctx context.Context, q charge.Query) ([]charge.Transfer, error) {
	found, err := g.Gateway.List(ctx, q)
	if err == nil && len(found) == 0 && g.how == "absent look-up means failed" {
		return []charge.Transfer{{State: charge.StateCanceled, Command: q.Command}}, nil
	}
	return found, err
}

// Create implements charge.Gateway.
func (g wrong) Create(ctx context.Context, r commands.Request) (charge.Transfer, error) {
	t, err := g.Gateway.Create(ctx, r)
	if err != nil && commands.Advise(err).Unknown && g.how == "a lost answer is a refusal" {
		return t, commands.Reject("no_answer", "no answer")
	}
	return t, err
}

// mutantPublisher is the way to the bus, with a defect.
func (n *node) mutantPublisher(p message.Publisher) message.Publisher {
	if n.mutant == "checkpoint before ack" {
		return careless{p}
	}
	return p
}

type careless struct{ message.Publisher }

// Publish implements message.Publisher.
func (c careless) Publish(topic string, messages ...*message.Message) error {
	if err := c.Publisher.Publish(topic, messages...); err != nil {
		return nil // it will have arrived
	}
	return nil
}

func (n *node) mutantForm(form relay.Form) relay.Form {
	if n.mutant != "publishes secrets" {
		return form
	}
	return func(h eventstore.Head, e eventstore.Event) *message.Message {
		m := form(h, e)
		m.Payload = e.Body
		return m
	}
}

// believe is what becomes of a record beside being a hint: nothing, but for one defect.
func (w *world) believe(n *node, m *message.Message, h bus.Hint) {
	if w.mutant != "the record is believed" || n.busy {
		return
	}
	e := eventstore.Event{ID: h.ID, Source: h.Source, Position: h.Position, Body: m.Payload, Type: m.Metadata.Get(bus.HeaderType),
		Stream: m.Metadata.Get(bus.HeaderStream), Subject: m.Metadata.Get(bus.HeaderSubject), CorrelationID: h.ID}
	for _, d := range n.engine.Sagas {
		if engine.Interest(d)(e) {
			_, _ = n.alive(func() error { return n.engine.Handle(w.ctx, engine.Prepare(d, e)) })
		}
	}
}

// mutantProvider is a provider, with a defect.
func (n *node) mutantProvider(p ingest.Provider) ingest.Provider {
	if n.mutant == "believes every signature" {
		return trusting{p}
	}
	return p
}

type trusting struct{ ingest.Provider }

// Verify implements ingest.Provider.
func (trusting) Verify(ingest.Request) (ingest.Receipt, error) { return ingest.Receipt{}, nil }

func (n *node) mutantTolerance() (o stripehook.Options) {
	if n.mutant == "believes old signatures" {
		o.Tolerance = 100 * 24 * time.Hour
	}
	return o
}

func (n *node) mutantMode(mode string) string {
	if n.mutant == "takes the other mode" {
		return ""
	}
	return mode
}

// mutantDefinition is a saga, with a defect.
func (w *world) mutantDefinition(d saga.Definition) saga.Definition {
	switch w.mutant {
	case "start not once", "what comes early is dropped", "late success ignored":
		return misled{d, w}
	}
	return d
}

type misled struct {
	saga.Definition
	world *world
}

// Route implements saga.Definition.
func (m misled) Route(e eventstore.Event) (saga.Routed, error) {
	r, err := m.Definition.Route(e)
	if err != nil || m.world.quiet && m.world.mutant != "late success ignored" {
		return r, err
	}
	rows, rowsErr := m.world.rows.Instances(m.world.ctx, []string{m.Name() + "/" + r.Key})
	must(m.world, rows, rowsErr)
	started := len(rows) > 0 && rows[0].Status != string(saga.NotStarted)
	switch m.world.mutant {
	case "start not once":
		if r.Starts && started && m.Name() == "order-payment" {
			return r.For(r.Key + "/again"), nil
		}
	case "what comes early is dropped":
		if !r.Starts && !started {
			return r.For(""), nil
		}
	case "late success ignored":
		if e.Type == charge.Create.Name()+"."+commands.Succeeded && started && rows[0].Status != string(saga.Running) {
			return r.For(""), nil
		}
	}
	return r, nil
}
