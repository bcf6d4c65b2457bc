package sagas

import (
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// SubscriptionAccess grants access while a subscription is paid for, and ends it when a payment is overdue for longer
// than the grace. The end of the subscription ends the instance, which then sends nothing: that is CancelAccess's job.
//
// Grants and cancellations of one subscription are asked for one after the other, so they cannot overtake each other.
func SubscriptionAccess() saga.Definition {
	return saga.New("subscription-access",
		saga.Start(eventstore.AnyOf(stripehook.CustomerSubscriptionCreated, stripehook.CustomerSubscriptionUpdated,
			stripehook.CustomerSubscriptionDeleted), bySubscription, subscriptionChanged),
		saga.On(eventstore.AnyOf(stripehook.CustomerSubscriptionCreated, stripehook.CustomerSubscriptionUpdated,
			stripehook.CustomerSubscriptionDeleted), bySubscription, subscriptionChanged),
		saga.OnTimer(graceOver, overdue),
		saga.OnOutcome(access.Grant.Succeeded(), accessGranted),
		saga.OnOutcome(access.Cancel.Succeeded(), accessEnded),
		saga.Phases(subscription.phase, saga.Deadlines{"inactive": 0, "active": 0, "grace": grace + day}),
	)
}

const (
	graceOver saga.Timer = "grace-over"
	day                  = 24 * time.Hour
	grace                = 7 * day
)

type subscription struct {
	ID, Customer string
	Status       stripe.SubscriptionStatus
	Changed      time.Time // by Stripe's clock: an older change that arrives later says nothing new
	Due          bool      // access is due
	Granted      bool      // access was granted
	Asking       bool      // for one or the other, without an answer so far
}

func (s subscription) phase() saga.Phase {
	switch {
	case s.Status == stripe.SubscriptionStatusPastDue && s.Due:
		return "grace"
	case s.Due:
		return "active"
	default:
		return "inactive"
	}
}

func bySubscription(in saga.In[*stripe.Subscription]) string { return in.Data.ID }

func subscriptionChanged(s *subscription, in saga.In[*stripe.Subscription], out *saga.Out) {
	if in.Time.Before(s.Changed) {
		return
	}
	was := s.Status
	s.ID, s.Status, s.Changed = in.Data.ID, in.Data.Status, in.Time
	if in.Data.Customer != nil {
		s.Customer = in.Data.Customer.ID
	}
	switch {
	case s.Status == stripe.SubscriptionStatusCanceled:
		out.Complete()
		return
	case s.Status == stripe.SubscriptionStatusActive || s.Status == stripe.SubscriptionStatusTrialing:
		s.Due = true
		out.Cancel(graceOver)
	case s.Status == stripe.SubscriptionStatusPastDue && was != stripe.SubscriptionStatusPastDue:
		out.After(graceOver, grace)
	}
	s.ask(out, "subscription "+string(s.Status))
}

func overdue(s *subscription, _ saga.In[saga.Fired], out *saga.Out) {
	s.Due = false
	s.ask(out, "payment overdue")
}

func accessGranted(s *subscription, _ saga.In[commands.None], out *saga.Out) {
	s.Asking, s.Granted = false, true
	s.ask(out, "payment overdue")
}

func accessEnded(s *subscription, _ saga.In[commands.None], out *saga.Out) {
	s.Asking, s.Granted = false, false
	s.ask(out, "subscription "+string(s.Status))
}

// ask asks for what is due, unless it is so already or an answer is awaited.
func (s *subscription) ask(out *saga.Out, why string) {
	if s.Asking || s.Due == s.Granted {
		return
	}
	s.Asking = true
	command := access.Cancel
	if s.Due {
		command = access.Grant
	}
	saga.Send(out, command, access.Holder{Customer: s.Customer, Subscription: s.ID, Reason: why})
}
