package sim_test

import (
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// parcel is the state of a saga that does what the shipped ones do not: it has two versions, its first has a bug that
// parks some inputs, it arms a timer again and again, and undoes by a command that is not money.
type parcel struct {
	Order     string
	Paid      int
	Granted   bool
	Reminders int
}

const remind saga.Timer = "remind"

func (w *world) parcels(build string) saga.Definition {
	bug := func(what, order string) bool { return build == "v1" && w.draw("bug", what, order) < 70 }
	key := func(what, order string) string {
		if order != "" && bug(what, order) {
			panic("a bug of v1")
		}
		return order
	}
	finish := func(p *parcel, out *saga.Out) {
		if p.Granted && p.Paid > 0 {
			out.Complete()
		}
	}
	rules := []saga.Rule[parcel]{
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return key("key", in.Data.ID) }, func(p *parcel, in saga.In[orders.Order], out *saga.Out) {
			if p.Order = in.Data.ID; bug("placed", p.Order) {
				out.Park("a bug of v1")
			}
			saga.Send(out, access.Grant, access.Holder{Customer: p.Order})
			saga.Undo(out, access.Cancel, access.Holder{Customer: p.Order})
			out.After(remind, 10*time.Minute)
		}),
		saga.On(stripehook.PaymentIntentSucceeded, func(in saga.In[*stripe.PaymentIntent]) string { return key("its key", in.Data.Metadata["order_id"]) },
			func(p *parcel, in saga.In[*stripe.PaymentIntent], out *saga.Out) {
				if bug("paid", p.Order) {
					out.Park("a bug of v1")
				}
				p.Paid++
				finish(p, out)
			}),
		saga.OnOutcome(access.Grant.Succeeded(), func(p *parcel, _ saga.In[commands.None], out *saga.Out) {
			p.Granted = true
			finish(p, out)
		}),
		saga.OnOutcome(access.Grant.Rejected(), func(_ *parcel, in saga.In[commands.Rejection], out *saga.Out) { out.Compensate(in.Data.Code) }),
		saga.OnTimer(remind, func(p *parcel, _ saga.In[saga.Fired], out *saga.Out) {
			if p.Reminders++; p.Reminders == 3 {
				out.Compensate("not paid")
				return
			}
			out.After(remind, 10*time.Minute)
		}),
	}
	if build != "v1" {
		rules = append(rules, saga.Upcast(1, func(old parcel) parcel { return old }))
	}
	return saga.New("parcels", rules...)
}
