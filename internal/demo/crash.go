package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// killed lets one process charge, kills it while it waits for Stripe's answer, and lets another finish.
func killed(ctx context.Context, s *scene) (string, error) {
	o := orders.Order{ID: killedOrder, Customer: "cus_5", Amount: 12999, Currency: "usd", Method: "pm_card_visa"}
	first := s.program
	s.note("process", fmt.Sprintf("serve, pid %d", first.pid), "runs")
	s.world.sendTo("") // so that nobody but the one that asked could know
	if _, _, err := s.place(ctx, o); err != nil {
		return "", err
	}
	// The request is in Stripe's books, its money has moved, and nobody knows: the simulator keeps the answer back.
	if err := s.request(ctx, "is carried out", func(r chargetest.Request) bool { return r.Order == o.ID && r.Executed }); err != nil {
		return "", err
	}
	if err := s.show(ctx); err != nil {
		return "", err
	}
	first.kill()
	s.note("process", fmt.Sprintf("SIGKILL to pid %d", first.pid), "before Stripe answered; its lease lasts "+lease.String())
	if err := s.request(ctx, "is cut", func(r chargetest.Request) bool { return r.Order == o.ID && r.ClientGone }); err != nil {
		return "", err
	}
	if err := s.ready(ctx); err != nil {
		return "", err
	}
	s.note("process", fmt.Sprintf("serve, pid %d", s.program.pid), "starts on the same store")
	s.showNotes()
	d, err := s.settled(ctx, paymentSaga, o.ID)
	if err != nil {
		return "", err
	}
	var f findings
	f.equal("the first process ended by SIGKILL", first.killed(), true)
	f.equal("another process finished", s.program.pid != first.pid && s.program.running(), true)
	f.charged(s, d, o)
	requests := s.requests()
	f.equal("requests", len(requests), 2)
	f.onceUnderOneKey(requests)
	if !f.none() {
		return "", f.err()
	}
	return fmt.Sprintf("pid %d is killed, pid %d finishes: 2 requests under 1 key, %s moved once",
		first.pid, s.program.pid, money(o.Amount, o.Currency)), nil
}

// request waits for a line of the ledger.
func (s *scene) request(ctx context.Context, what string, match func(chargetest.Request) bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	if _, err := s.world.stripe.Wait(ctx, match); err != nil {
		return fmt.Errorf("no request to Stripe %s within %s", what, s.Patience)
	}
	return nil
}

func unsubscribed(ctx context.Context, s *scene) (string, error) {
	const id, subscription = "evt_demo_6", "sub_6"
	body, err := chargetest.Event(stripehook.CustomerSubscriptionDeleted.Name(), chargetest.Overrides{
		"event.id": id, "event.created": time.Now().Unix(), "id": subscription, "customer": "cus_6"})
	if err != nil {
		return "", err
	}
	s.follow(id, "")
	if err := s.fromStripe(ctx, body); err != nil {
		return "", err
	}
	sent, err := s.executed(ctx, id)
	if err != nil {
		return "", err
	}
	var f findings
	f.equal("commands", len(sent), 1)
	f.equal("outcome", sent[0].Outcome, access.Cancel.Name()+"."+commands.Succeeded)
	f.equal("callbacks", s.told(), []string{access.Cancel.Name() + " because of " + id})
	if !f.none() {
		return "", f.err()
	}
	for name, key := range map[string]string{"cancel-access": id, "subscription-access": subscription} {
		d, err := s.settled(ctx, name, key)
		if err != nil {
			return "", err
		}
		f.equal("saga "+name, d.Instance.Status, "completed")
	}
	f.equal("callbacks in the end", len(s.callbacks()), 1)
	return "a subscription is deleted: one cancel-access was delivered, correlated to the webhook", f.err()
}
