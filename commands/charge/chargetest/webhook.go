package chargetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Webhooks says which events the simulator makes and how badly it delivers them. Durations go by the simulator's clock,
// probabilities are drawn from the seed and the event's id.
type Webhooks struct {
	URL    string // where Run and Step post; may be empty for those who only take
	Secret string // signs; empty: DevSecret
	// Types lists the event types to make, * for all, or a prefix such as charge.*; empty: DefaultTypes.
	Types []string
	// Client posts; nil: a client of its own that gives up after 10 seconds.
	Client *http.Client

	Delay   time.Duration // until an event is due
	Shuffle time.Duration // added to it, drawn between zero and this: events overtake each other
	Twice   float64       // probability that an event is delivered a second time, at another moment
	Drop    float64       // probability that an event is never delivered

	RetryFirst time.Duration // until a delivery without a 2xx is repeated, doubled each time; 0: 100 ms
	RetryMax   time.Duration // at most that long; 0: 5 s
	Attempts   int           // deliveries of an event before it is given up; 0: no limit
	Parallel   int           // posts at once in one Step; 0: 8
}

// DefaultTypes are the events that hooksaga's sagas live on.
func DefaultTypes() []string {
	return []string{"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled", "charge.refunded"}
}

// Delivery is one webhook to be delivered now, signed.
type Delivery struct {
	ID      string // of the event
	Type    string
	Copy    int // 1, and 2 for a second delivery of the same event
	Attempt int // 1, 2, 3 … of this copy
	URL     string
	Header  http.Header
	Body    []byte
	Due     time.Time // when it fell due
}

// Request makes the POST of a delivery.
func (d Delivery) Request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	r.Header = d.Header.Clone()
	return r, nil
}

// WebhookCounts tells what became of the events. Made = Dropped + those delivered or pending; copies count apart.
type WebhookCounts struct {
	Made      int `json:"made"`      // events
	Twice     int `json:"twice"`     // events delivered a second time
	Dropped   int `json:"dropped"`   // events never delivered
	Pending   int `json:"pending"`   // deliveries due now or later
	Taken     int `json:"taken"`     // deliveries handed out and not reported yet
	Delivered int `json:"delivered"` // deliveries answered with a 2xx
	Failed    int `json:"failed"`    // deliveries answered otherwise or not at all
	GivenUp   int `json:"given_up"`  // deliveries that failed for the last time
}

// outbox holds deliveries. It is used under the simulator's lock.
type outbox struct {
	counts  WebhookCounts
	pending []Delivery
}

func (o *outbox) tally() WebhookCounts {
	counts := o.counts
	counts.Pending = len(o.pending)
	return counts
}

// SendWebhooks replaces the settings of Options.Webhooks. Deliveries that are pending keep their moment and get the new
// URL and secret.
func (s *Simulator) SendWebhooks(w Webhooks) {
	if w.Secret == "" && w.URL != "" {
		w.Secret = DevSecret
	}
	if len(w.Types) == 0 {
		w.Types = DefaultTypes()
	}
	if w.Client == nil {
		w.Client = s.own
	}
	client := *w.Client // of ours, so that a redirect can count as a failure, as it does with Stripe
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.Client = &client
	if w.RetryFirst <= 0 {
		w.RetryFirst = 100 * time.Millisecond
	}
	if w.RetryMax <= 0 {
		w.RetryMax = 5 * time.Second
	}
	if w.Parallel <= 0 {
		w.Parallel = 8
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = w
	s.queued.send()
}

func (w Webhooks) wants(typ string) bool {
	return w.Secret != "" && slices.ContainsFunc(w.Types, func(pattern string) bool {
		prefix, glob := strings.CutSuffix(pattern, "*")
		return pattern == typ || glob && strings.HasPrefix(typ, prefix)
	})
}

// emit makes the event of a state change. object must be a copy or is encoded before it changes again; c is nil where no
// request caused the change. The simulator's lock is held.
func (s *Simulator) emit(c *call, typ, id string, object any) {
	if !s.hooks.wants(typ) {
		return
	}
	s.eventSeq[id+typ]++
	e := envelope{
		ID: s.newID("evt", id, typ, strconv.Itoa(s.eventSeq[id+typ])), Type: typ, Created: s.Now().Unix(),
		Object: "event", APIVersion: APIVersion, Data: eventData{Object: object}, PendingWebhooks: 1,
	}
	if c != nil {
		e.Request = &eventRequest{ID: pointer(c.log.ID), Key: pointer(c.log.Key)}
	} else {
		e.Request = &eventRequest{}
	}
	s.post(e.ID, typ, encodeEvent(e))
}

// post queues an event's deliveries.
func (s *Simulator) post(id, typ string, body []byte) {
	s.outbox.counts.Made++
	if s.draw("drop", id) < s.hooks.Drop {
		s.outbox.counts.Dropped++
		return
	}
	copies := 1
	if s.draw("twice", id) < s.hooks.Twice {
		copies = 2
		s.outbox.counts.Twice++
	}
	for n := 1; n <= copies; n++ {
		late := time.Duration(s.draw("shuffle", id, strconv.Itoa(n)) * float64(s.hooks.Shuffle))
		s.outbox.pending = append(s.outbox.pending, Delivery{ID: id, Type: typ, Copy: n, Attempt: 1, Body: body, Due: s.Now().Add(s.hooks.Delay + late)})
	}
	s.queued.send()
}

// Post queues an event body that was made elsewhere, such as by Event, for delivery like the simulator's own.
func (s *Simulator) Post(body []byte) error {
	id, typ, err := identify(body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks.Secret == "" {
		return errors.New("chargetest: no webhooks are configured: set URL or Secret")
	}
	s.post(id, typ, body)
	return nil
}

// TakeWebhooks takes all deliveries that are due now, in the order in which they fell due, signed with the present time.
// The caller delivers them when and in what order it likes, and reports each; what it never reports is not repeated.
func (s *Simulator) TakeWebhooks() []Delivery { return s.takeWebhooks(-1) }

func (s *Simulator) takeWebhooks(limit int) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	slices.SortStableFunc(s.outbox.pending, func(a, b Delivery) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Copy, b.Copy))
	})
	n := 0
	for n < len(s.outbox.pending) && n != limit && !s.outbox.pending[n].Due.After(now) {
		n++
	}
	taken := slices.Clone(s.outbox.pending[:n])
	s.outbox.pending = slices.Delete(s.outbox.pending, 0, n)
	s.outbox.counts.Taken += n
	for i := range taken {
		taken[i].URL = s.hooks.URL
		taken[i].Header = http.Header{
			"Content-Type":  {"application/json; charset=utf-8"},
			"User-Agent":    {"Stripe/1.0 (hooksaga simulator)"},
			SignatureHeader: {Sign(taken[i].Body, s.hooks.Secret, now)},
		}
	}
	return taken
}

// Report says how a delivery ended: with the receiver's status, or 0 if there was none. Anything but a 2xx is repeated.
func (s *Simulator) Report(d Delivery, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox.counts.Taken--
	if status >= 200 && status < 300 {
		s.outbox.counts.Delivered++
		return
	}
	s.outbox.counts.Failed++
	if s.hooks.Attempts > 0 && d.Attempt >= s.hooks.Attempts {
		s.outbox.counts.GivenUp++
		return
	}
	wait := s.hooks.RetryMax
	if shift := d.Attempt - 1; shift < 20 {
		wait = min(wait, s.hooks.RetryFirst<<shift)
	}
	d.Attempt++
	d.Due = s.Now().Add(wait)
	s.outbox.pending = append(s.outbox.pending, d)
	s.queued.send()
}

// NextWebhook returns when the next delivery falls due, and whether there is one.
func (s *Simulator) NextWebhook() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	for _, d := range s.outbox.pending {
		if next.IsZero() || d.Due.Before(next) {
			next = d.Due
		}
	}
	return next, !next.IsZero()
}
