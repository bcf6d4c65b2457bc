package pgstore_test

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// BenchmarkOrders commits what orders lead to, n orders side by side, each at a step of its own: seven batches an order
// in six calls, of 9 events, 2 instances, 1 command, 1 asker and 1 timer.
func BenchmarkOrders(b *testing.B) {
	for _, n := range []int{1, 8, 32, 128} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, _ := openOwn(b)
			next := 0
			orders := make([]order, n)
			for calls := 1; b.Loop(); calls++ {
				var batches []driver.Batch
				for i := range orders {
					o := &orders[i]
					if o.id == "" || o.at == orderSteps {
						next++
						*o = newOrder(next)
					}
					batches = append(batches, o.step(o.at)...)
					o.at++
					if next <= n && i+1 == calls*(n+orderSteps-1)/orderSteps { // a sixth of them sets out with each call
						break
					}
				}
				vs, err := s.Commit(b.Context(), batches)
				if err != nil {
					b.Fatal(err)
				}
				for i, v := range vs {
					if v.Code != driver.Committed {
						b.Fatalf("batch %d: %+v", i, v)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())*orderSteps/float64(b.N*n), "µs/order")
		})
	}
}

const orderSteps = 6

// order is one on its way. Ids are of the length that the real ones have.
type order struct {
	at       int // the step that is next
	id       string
	customer string
	instance driver.Instance
	command  driver.Command
}

func newOrder(n int) order {
	id := fmt.Sprintf("ord_%010d", n)
	o := order{id: id, customer: fmt.Sprintf("cus_%010d", n)}
	o.instance = driver.Instance{ID: "order-payment/" + id, Saga: "order-payment", Key: id, Status: "running", Definition: 1,
		Phase: "charging", CorrelationID: "ordevt_" + id, State: webhook(300), Progress: webhook(200)}
	o.command = driver.Command{ID: o.derived("cmd"), Name: "charge", Money: true, Status: driver.StatusClaimed, Fence: 1, Attempts: 1, Askers: 1,
		Args: webhook(250), Request: webhook(700), CorrelationID: "ordevt_" + id, CausationID: o.derived("dec1"), Subject: o.customer}
	return o
}

// derived is an id as the engine derives them: ids of about the same time begin alike, and a hash follows.
func (o order) derived(what string) string {
	hash := sha256.Sum256([]byte(what + o.id))
	return o.id[len("ord_"):] + fmt.Sprintf("%x", hash[:8])
}

func (o order) event(source, id, typ, stream, to string, size int) driver.Append {
	return driver.Append{Event: driver.Event{ID: id, Source: source, Type: typ, Subject: o.customer, Stream: stream, To: to,
		Time: time.Unix(1_700_000_000, 0), CorrelationID: o.instance.CorrelationID, CausationID: "ordevt_" + o.id, Body: webhook(size)},
		Expect: driver.Any, OnKnown: driver.Done}
}

// decision is a saga's on one input, with the instance's row.
func (o *order) decision(saga, input string, revision int64) driver.Batch {
	row := o.instance
	row.ID, row.Saga = saga+"/"+o.id, saga
	guard := o.derived(saga + input)
	return driver.Batch{
		Events:    []driver.Append{o.event(driver.Self, guard, "saga.decided", "saga/"+row.ID, "", 900)},
		Instances: []driver.InstanceChange{{Instance: row, Revision: revision, StuckAfter: time.Hour}},
		Queue:     []driver.QueueChange{{Op: driver.QueueAbsent, Input: driver.Queued{Guard: guard}}},
	}
}

// step is what the n-th call commits for the order.
func (o *order) step(n int) []driver.Batch {
	switch n {
	case 0:
		return []driver.Batch{{Events: []driver.Append{o.event("orders", "ordevt_"+o.id, "order.placed", "orders/"+o.customer, "", 200)}}}
	case 1:
		b := o.decision("order-payment", "placed", 0)
		b.Commands = []driver.CommandChange{{Command: o.command, Lease: time.Minute}}
		b.Askers = []driver.Asker{{Command: o.command.ID, Instance: o.instance.ID, Cause: "dec", State: driver.AskerOpen}}
		b.Timers = []driver.TimerChange{{Op: driver.TimerArm, After: 15 * time.Minute, Timer: driver.Timer{ID: o.derived("timer"),
			Saga: "order-payment", Instance: o.instance.ID, Name: "no-answer", Armed: o.id}}}
		return []driver.Batch{b}
	case 2:
		done := o.command
		done.Status, done.Outcome = driver.StatusDone, "succeeded"
		return []driver.Batch{{
			Events: []driver.Append{o.event(driver.Self, o.command.ID+"/outcome", "charge.succeeded", "command/"+o.command.ID, "", 150),
				o.event(driver.Self, o.command.ID+"/copy", "charge.succeeded", "saga/"+o.instance.ID, o.instance.ID, 150)},
			Commands: []driver.CommandChange{{Command: done, Revision: 1}},
			Askers:   []driver.Asker{{Command: o.command.ID, Instance: o.instance.ID, Cause: "dec", State: driver.AskerAnswered}},
		}}
	case 3:
		o.instance.Phase = "answered"
		b := o.decision("order-payment", "charged", 1)
		b.Timers = []driver.TimerChange{{Op: driver.TimerDisarm, Timer: driver.Timer{ID: o.derived("timer")}}}
		return []driver.Batch{b}
	case 4:
		return []driver.Batch{{Events: []driver.Append{o.event("stripe/acct_1/test", "evt_"+o.id, "payment_intent.succeeded", "stripe/"+o.customer, "", 3600)}}}
	default:
		o.instance.Phase, o.instance.Status, o.instance.Terminal = "paid", "completed", true
		last := o.decision("order-payment", "confirmed", 2)
		derived := o.decision("payments-completed", "confirmed", 0)
		derived.Events = append(derived.Events, o.event(driver.Self, o.derived("paid"), "payments.completed", "payments/"+o.id, "", 200))
		return []driver.Batch{last, derived}
	}
}
