package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// faults is what the gateway does to requests, all the time until it is healed. Those that keep a request longer than the
// program waits come seldom: each costs its command a lease.
func faults() []chargetest.Fault {
	post := http.MethodPost
	return []chargetest.Fault{
		{Name: "gateway: late packet, executed after all", Kind: chargetest.Hold, Method: post, Probability: 0.01, Delay: 5 * time.Second},
		{Name: "gateway: cut before the effect", Kind: chargetest.Drop, Method: post, Probability: 0.02},
		{Name: "gateway: 500 before the effect", Kind: chargetest.ServerErrorBefore, Method: post, Probability: 0.03},
		{Name: "gateway: 429", Kind: chargetest.RateLimited, Method: post, Probability: 0.02, RetryAfter: time.Second},
		{Name: "gateway: lock timeout", Kind: chargetest.LockTimeout, Method: post, Probability: 0.01},
		{Name: "gateway: 409, key in use", Kind: chargetest.Conflict, Method: post, Probability: 0.01},
		{Name: "gateway: stalled with the key taken", Kind: chargetest.Stall, Method: post, Probability: 0.01, Delay: 4 * time.Second},
		{Name: "gateway: declined", Kind: chargetest.Decline, Method: post, Probability: 0.10},
		{Name: "gateway: 500 after the effect", Kind: chargetest.ServerErrorAfter, Method: post, Probability: 0.02},
		{Name: "gateway: answer lost after the effect", Kind: chargetest.Lose, Method: post, Probability: 0.04},
		{Name: "gateway: effect, and no answer", Kind: chargetest.Hang, Method: post, Probability: 0.01},
		{Name: "gateway: answer late", Kind: chargetest.Late, Method: post, Probability: 0.02, Delay: 2 * time.Second},
		{Name: "gateway: answer is garbage", Kind: chargetest.Garbage, Method: post, Probability: 0.02},
		{Name: "gateway: answer cut", Kind: chargetest.Truncate, Method: post, Probability: 0.02},
		{Name: "gateway: answer in drops", Kind: chargetest.Drip, Method: post, Probability: 0.01, Delay: time.Second},
	}
}

// newGateway makes Stripe. Its webhooks go through the courier.
func newGateway(p plan, c *courier) (*chargetest.Simulator, error) {
	sim := chargetest.New(chargetest.Options{
		Seed: p.seed, Keys: []string{serving.StripeKey},
		Webhooks: chargetest.Webhooks{URL: "http://courier.invalid/", Secret: serving.StripeSecret, Twice: 0.15, Shuffle: 500 * time.Millisecond,
			RetryMax: time.Second, Parallel: 32, Client: &http.Client{Transport: c, Timeout: 4 * time.Second}},
	})
	return sim, sim.Script(faults()...)
}

const callbackFailed kind = "callback answered 503"

// newReceiver makes the user's own service, which is not always well until it is healed.
func newReceiver(p plan, j *journal, healed <-chan struct{}) (*notify.Receiver, error) {
	return notify.NewReceiver(notify.ReceiverConfig{Secret: serving.CallbackSecret, Answer: func(c notify.Callback, delivery int) int {
		select {
		case <-healed:
			return http.StatusOK
		default:
		}
		if delivery == 1 && traffic.Draw(p.seed, "callback", c.CommandID) < 0.2 {
			j.hit(callbackFailed, 1)
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}})
}

// truce is how long the other lanes may have to wait for the gateway's keys to expire.
const truce = 25 * time.Second

// expireKeys moves the simulator's clock past the life of its keys. It does so only while no command is open, no request
// is on its way, and everything that was acknowledged has reached the gateway: Stripe promises to know keys for 24 hours,
// and whoever is asked again after that was asked too late. So no order is placed meanwhile. It reports whether the
// moment came before ctx ended.
func (s *stage) expireKeys(ctx context.Context) (done bool) {
	defer s.load.hold()()
	why := ""
	for still := 0; still < 4; { // several times in a row: what a proxy or a socket still holds arrives meanwhile
		if why = s.busy(ctx); why == "" {
			still++
		} else {
			still = 0
		}
		if rest(ctx, 500*time.Millisecond); ctx.Err() != nil {
			s.journal.note("%s: too busy: %s", keysExpired, why)
			return false
		}
	}
	s.sim.Advance(25 * time.Hour)
	return true
}

// busy says what of all that involves the gateway is under way; "" if nothing is.
func (s *stage) busy(ctx context.Context) string {
	if n := s.load.underWay(); n > 0 {
		return fmt.Sprintf("%d orders are being delivered", n)
	}
	for _, o := range s.load.placed() {
		if len(s.sim.Effects(o.ID)) == 0 {
			return fmt.Sprintf("order %s has not reached the gateway", o.ID)
		}
	}
	for _, r := range s.sim.Ledger().Requests {
		if r.State == chargetest.StateSeen || r.State == chargetest.StateHeld || r.State == chargetest.StateStalled {
			return fmt.Sprintf("request %d is %s", r.Seq, r.State)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	d, err := s.place.Open(ctx)
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	open, err := d.CountCommands(ctx)
	if err != nil {
		return err.Error()
	}
	for _, c := range open {
		if c.Name == charge.Create.Name() || c.Name == charge.Refund.Name() {
			return fmt.Sprintf("%d commands %s are %s", c.Count, c.Name, c.Status)
		}
	}
	return ""
}
