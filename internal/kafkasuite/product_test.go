package kafkasuite_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
)

const orderPayment = "order-payment"

// TestKafkaLosesWhatItAcknowledged: while orders come in, somebody else's consumer in the product's own group holds some
// partitions, and then all records are deleted, those that the group has not acknowledged among them. No hint of these
// ever comes. The sweep feeds what is missing, and the ledger agrees.
func TestKafkaLosesWhatItAcknowledged(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		w := newWorld(t, at)
		w.ensure(w.topics()...)
		thief := w.thief()
		n := w.serve(w.onKafka()...)
		w.place(40) // the sweep has these, wherever the group stands
		thief.holds()
		w.place(100)
		until(t, "the thief has some", func() string {
			if thief.taken.Load() == 0 {
				w.place(10)
				return "none"
			}
			return ""
		})
		lost := w.deleteRecords()
		thief.leave()
		w.place(20)
		w.judge(orderPayment)
		if lost == 0 {
			t.Error("nothing was lost")
		}
		if acknowledged := n.metric("hooksaga_relay_published_total"); acknowledged == 0 {
			t.Error("nothing was acknowledged")
		}
		t.Logf("%d orders; %d acknowledged records deleted before the group had them, %d of them with a thief", len(w.orders), lost, thief.taken.Load())
	})
}

// TestKafkaIsEmptied: all topics are deleted while orders come in. They are made again, what was in them is not; every
// order ends, and new events go over Kafka again.
func TestKafkaIsEmptied(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		w := newWorld(t, at)
		n := w.serve(w.onKafka()...)
		w.place(40)
		w.published(n, 40)
		_, admin := client(t, at)
		emptied := 0
		w.during(50*time.Millisecond, func() {
			for range 2 {
				for _, topic := range w.topics()[:3] {
					until(t, "the topic is there, and goes", func() string { // the second time: when it is made again
						if err := admin.DeleteTopic(topic); err != nil {
							return err.Error()
						}
						return ""
					})
					emptied++
				}
				w.published(n, 20)
			}
		})
		w.judge(orderPayment)
		w.relayed(n)
		w.caughtUp()
		left := 0
		for _, topic := range w.topics()[:3] {
			left += len(tape(t, at, topic))
		}
		all := int(n.metric("hooksaga_relay_published_total"))
		if left == 0 || left >= all {
			t.Errorf("%d records are there of %d that were acknowledged", left, all)
		}
		t.Logf("%d orders, %d topics deleted, %d of %d records gone, %v not acknowledged at first", len(w.orders), emptied, all-left, all,
			n.metric("hooksaga_relay_failures_total"))
	})
}

// TestTheBusIsSwitchedUnderLoad: processes with the one bus replace processes with the other while orders come in, both
// running for a while. The ledger agrees, and at the end everything that belongs there is in Kafka.
func TestTheBusIsSwitchedUnderLoad(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		w := newWorld(t, at)
		buses := [][]string{w.onKafka(), {"HOOKSAGA_BUS=inprocess"}, w.onKafka(), {"HOOKSAGA_BUS=inprocess"}, w.onKafka()}
		n := w.serve("HOOKSAGA_BUS=inprocess")
		var worked int
		w.during(40*time.Millisecond, func() {
			for _, env := range buses {
				w.decides(n)
				worked++
				next := w.serve(env...)
				w.takes(next)
				n.stop()
				n = next
			}
			w.decides(n)
		})
		w.judge(orderPayment)
		if worked != 5 {
			t.Errorf("%d processes decided orders before the switch", worked)
		}
		w.allPublished(w.name + ".orders")
		t.Logf("%d orders, %d switches", len(w.orders), len(buses))
	})
}

// TestTheTopicMapChangesUnderLoad: processes that send orders to one topic are replaced by some that send them to another,
// and back, while orders come in. Hints of what still lies in the old topic never come; the sweep feeds it.
func TestTheTopicMapChangesUnderLoad(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		w := newWorld(t, at)
		other := w.name + ".orders-2"
		n := w.serve(w.onKafka()...)
		w.during(40*time.Millisecond, func() {
			for _, to := range []string{other, w.name + ".orders", other} {
				w.decides(n)
				next := w.serve(w.onKafka("HOOKSAGA_KAFKA_ROUTES=" + w.routes(to))...)
				w.takes(next)
				n.stop()
				w.published(next, 5)
				n = next
			}
			w.decides(n)
		})
		w.judge(orderPayment)
		first, second := len(tape(t, at, w.name+".orders")), len(tape(t, at, other))
		if first == 0 || second == 0 {
			t.Errorf("%d orders went to the one topic, %d to the other", first, second)
		}
		w.allPublished(w.name+".orders", other)
		t.Logf("%d orders, 3 changes; %d records in the one topic, %d in the other", len(w.orders), first, second)
	})
}

// ensure makes topics as the product would.
func (w *world) ensure(topics ...string) {
	w.t.Helper()
	k, err := bus.OpenKafka(w.t.Context(), bus.Config{Brokers: w.at.addresses(), Role: "test", Partitions: 4, Timeout: 10 * time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.Ensure(w.t.Context(), topics...); err != nil {
		w.t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		w.t.Error(err)
	}
}

// deleteRecords deletes everything in the topics, and returns how many records the group had not acknowledged.
func (w *world) deleteRecords() (lost int64) {
	w.t.Helper()
	c, admin := client(w.t, w.at)
	for _, topic := range w.topics()[:2] {
		lag, err := groupLag(c, admin, w.name, topic)
		if err != nil {
			w.t.Fatal(err)
		}
		lost += lag
		partitions, err := c.Partitions(topic)
		if err != nil {
			w.t.Fatal(err)
		}
		until := map[int32]int64{}
		for _, p := range partitions {
			if until[p], err = c.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
				w.t.Fatal(err)
			}
		}
		if err := admin.DeleteRecords(topic, until); err != nil {
			w.t.Fatal(err)
		}
	}
	return lost
}

// decides waits until a process has begun some orders itself.
func (w *world) decides(n *node) {
	w.t.Helper()
	before := n.started(orderPayment)
	until(w.t, "the process decides", func() string {
		if n.started(orderPayment) < before+3 {
			return "nothing; " + w.stands(n)
		}
		return ""
	})
}

// stands says how far a process and the store are, for whoever has to find out why they are no further.
func (w *world) stands(n *node) string {
	rows := w.reading()
	head, err := rows.Head(w.t.Context())
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%v webhooks were accepted here, %v inputs decided; the head is %d, relayed is %v; watermarks",
		n.metric("hooksaga_ingest_deliveries_total", `outcome="accepted"`), n.metric("hooksaga_saga_inputs_total"), head.Position, n.metric("hooksaga_relay_checkpoint_position"))
	sagas, err := rows.Driver().Sagas(w.t.Context())
	for _, row := range sagas {
		text += fmt.Sprintf(" %s %d", row.Name, row.Watermark)
	}
	if err != nil {
		text += err.Error()
	}
	return text
}

// takes waits until a process has accepted webhooks.
func (w *world) takes(n *node) {
	w.t.Helper()
	until(w.t, "the process takes webhooks", func() string {
		if n.metric("hooksaga_ingest_deliveries_total", `outcome="accepted"`) == 0 {
			return "none"
		}
		return ""
	})
}

// published waits until a process has published so many more events.
func (w *world) published(n *node, events float64) {
	w.t.Helper()
	before := n.metric("hooksaga_relay_published_total")
	until(w.t, "the process publishes", func() string {
		if got := n.metric("hooksaga_relay_published_total") - before; got < events {
			return fmt.Sprintf("%v events", got)
		}
		return ""
	})
}

// relayed waits until a process has published everything: no order waits for that.
func (w *world) relayed(n *node) {
	w.t.Helper()
	head, err := w.reading().Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	until(w.t, "everything is published", func() string {
		if at := n.metric("hooksaga_relay_checkpoint_position"); at < float64(head.Position) {
			return fmt.Sprintf("up to %v of %d", at, head.Position)
		}
		return ""
	})
}

// caughtUp waits until the group has acknowledged what is in the topics that sagas hear of.
func (w *world) caughtUp() {
	w.t.Helper()
	c, admin := client(w.t, w.at)
	until(w.t, "the group catches up", func() string {
		for _, topic := range w.topics()[:2] {
			if lag, err := groupLag(c, admin, w.name, topic); err != nil || lag > 0 {
				return fmt.Sprintf("%s: %d records behind: %v", topic, lag, err)
			}
		}
		return ""
	})
}

// allPublished waits until every event that belongs to Kafka is there: orders in these topics.
func (w *world) allPublished(orders ...string) {
	w.t.Helper()
	s := w.reading()
	want := map[int]string{}
	for _, source := range []string{"orders", "stripe"} {
		for e, err := range s.All(w.t.Context(), 0, eventstore.Query{Source: source}) {
			if err != nil {
				w.t.Fatal(err)
			}
			want[int(e.Position)] = e.Source + " " + e.ID
		}
	}
	until(w.t, "all events are in Kafka", func() string {
		for _, topic := range append(orders, w.name+".stripe") {
			for _, r := range tape(w.t, w.at, topic) {
				delete(want, r.position)
			}
		}
		if len(want) > 0 {
			return fmt.Sprintf("%d are missing: %v", len(want), want)
		}
		return ""
	})
}

// thief is a member of the product's group that takes and never answers.
type thief struct {
	w     *world
	taken atomic.Int64
	group sarama.ConsumerGroup
	has   atomic.Int32 // partitions
	left  chan struct{}
	end   context.CancelFunc
}

func (w *world) thief() *thief {
	w.t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Rebalance.Timeout = 5 * time.Second
	c.Net.ReadTimeout = 15 * time.Second
	g, err := sarama.NewConsumerGroup(w.at.addresses(), w.name, c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	th := &thief{w: w, group: g, left: make(chan struct{}), end: cancel}
	go func() {
		defer close(th.left)
		for ctx.Err() == nil {
			_ = g.Consume(ctx, w.topics()[:1], th) // a rebalance ends it, and so may an error
		}
	}()
	w.t.Cleanup(th.leave)
	return th
}

// holds waits until the thief shares the orders' topic with the product.
func (th *thief) holds() {
	th.w.t.Helper()
	until(th.w.t, "the thief shares", func() string {
		if has := th.has.Load(); has != 2 {
			return fmt.Sprintf("it has %d of 4 partitions", has)
		}
		return ""
	})
}

func (th *thief) leave() {
	th.end()
	<-th.left
	_ = th.group.Close() // it has left
}

// Setup, Cleanup and ConsumeClaim implement sarama.ConsumerGroupHandler.
func (th *thief) Setup(s sarama.ConsumerGroupSession) error {
	n := 0
	for _, partitions := range s.Claims() {
		n += len(partitions)
	}
	th.has.Store(int32(n))
	return nil
}

func (th *thief) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (th *thief) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for range claim.Messages() {
		th.taken.Add(1)
	}
	return nil
}
