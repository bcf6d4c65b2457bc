package sagas

import (
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
	"github.com/hooksaga/hooksaga/sagas/sagatest"
)

func aSubscription(t eventstore.Type[*stripe.Subscription], status stripe.SubscriptionStatus, second int64) eventstore.NewEvent {
	return t.New(&stripe.Subscription{ID: "sub_1", Customer: &stripe.Customer{ID: "cus_1"}, Status: status}).At(time.Unix(2_000_000_000+second, 0))
}

var (
	isCreated  = aSubscription(stripehook.CustomerSubscriptionCreated, stripe.SubscriptionStatusActive, 1)
	isPastDue  = aSubscription(stripehook.CustomerSubscriptionUpdated, stripe.SubscriptionStatusPastDue, 2)
	isRenewed  = aSubscription(stripehook.CustomerSubscriptionUpdated, stripe.SubscriptionStatusActive, 3)
	isDeleted  = aSubscription(stripehook.CustomerSubscriptionDeleted, stripe.SubscriptionStatusCanceled, 4)
	isAccepted = []eventstore.NewEvent{access.Grant.Succeeded().New(commands.None{}), access.Cancel.Succeeded().New(commands.None{})}
	theGrant   = sagatest.Sent(access.Grant.New(access.Holder{Customer: "cus_1", Subscription: "sub_1", Reason: "subscription active"}))
	theEnd     = sagatest.Sent(access.Cancel.New(access.Holder{Customer: "cus_1", Subscription: "sub_1", Reason: "payment overdue"}))
)

func TestSubscriptionGrantsAccessOnce(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess()).
		Answer(isAccepted...).
		WhenInAnyOrder(isCreated, isRenewed).
		Wait(30*day).
		Then(theGrant, sagatest.Instance("sub_1", saga.Running))
}

func TestAccessEndsAfterTheGrace(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess(), isCreated, isPastDue).
		Answer(isAccepted...).
		Wait(grace-time.Hour).
		Then(theGrant, sagatest.Instance("sub_1", saga.Running))
	sagatest.Given(t, SubscriptionAccess(), isCreated, isPastDue).
		Answer(isAccepted...).
		Wait(grace+time.Hour).
		Then(theGrant, theEnd, sagatest.Instance("sub_1", saga.Running))
}

func TestPaidWithinTheGraceKeepsAccess(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess(), isCreated).
		Answer(isAccepted...).
		WhenInAnyOrder(isPastDue, isRenewed).
		Wait(30*day).
		Then(theGrant, sagatest.Instance("sub_1", saga.Running))
}

func TestPaidAfterTheGraceGrantsAgain(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess(), isCreated, isPastDue).
		Answer(isAccepted...).
		Wait(grace+time.Hour).
		When(isRenewed).
		Then(theGrant, theEnd, theGrant, sagatest.Instance("sub_1", saga.Running))
}

func TestGrantAndEndDoNotOvertake(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess(), isCreated, isPastDue).
		Wait(grace+time.Hour). // no answer to the grant so far
		Then(theGrant, sagatest.Instance("sub_1", saga.Running))
}

func TestDeletedEndsItAndSendsNothing(t *testing.T) {
	t.Parallel()
	sagatest.Given(t, SubscriptionAccess(), isCreated).
		Answer(isAccepted...).
		WhenInAnyOrder(isPastDue, isDeleted).
		Wait(30*day).
		Then(theGrant, sagatest.Instance("sub_1", saga.Completed))
	sagatest.Given(t, SubscriptionAccess()).
		When(isDeleted, isCreated, isRenewed). // the end arrives first
		Wait(30 * day).
		Then(sagatest.Instance("sub_1", saga.Completed))
}
