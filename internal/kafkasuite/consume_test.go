package kafkasuite_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// TestLanesAndTheLowWatermark: one customer's handler does not come back. All the others are decided beside it, each one's
// inputs in order, and the watermark stays right below the first event that is not decided. When it comes back, the
// watermark moves over everything.
func TestLanesAndTheLowWatermark(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		desk := s.desk(s.kafka(nil))
		stop := s.run(s.station("one", s.kafka(nil), 0))
		s.sell(20, 10)
		desk.decided(20)
		desk.swept(s.head())
		held := &stall{customer: "cus_3", entered: make(chan struct{}, 100), leave: make(chan struct{})}
		desk.hold.Store(held)
		first := s.head() + 4 // cus_0 to cus_3
		s.sell(20, 10)
		<-held.entered
		swept := desk.sweepOnce() // feeds what the hints, which wait for that lane, have not
		until(t, "the others are decided", func() string {
			if got := desk.total(); got != 38 {
				return fmt.Sprintf("%d of 38 are decided", got)
			}
			return ""
		})
		if got := desk.watermark(); got >= first {
			t.Errorf("the watermark is %d, and %d is not decided", got, first)
		}
		close(held.leave)
		if err := <-swept; err != nil {
			t.Error(err)
		}
		desk.decided(40)
		desk.swept(s.head())
		stop()
		for customer, got := range desk.tallies() {
			if !slices.IsSorted(got.Positions) || len(got.Positions) != 4 {
				t.Errorf("%s was decided as %v", customer, got.Positions)
			}
		}
	})
}

// TestClosingWithWorkInFlight: a process stops while a handler of each partition runs. All of them end and are
// acknowledged; the next process gets what is left, and nothing again.
func TestClosingWithWorkInFlight(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		stop := s.run(s.station("one", s.kafka(nil), 0))
		s.sell(60, 20)
		s.relayed()
		stop()
		busy, proceed := make(chan struct{}, 60), make(chan struct{})
		first := s.member(busy, proceed)
		for range first.partitions {
			<-busy
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			first.stop()
		}()
		<-first.stopping
		if got := first.gate.Running(); got != first.partitions {
			t.Errorf("%d are under way, of %d partitions", got, first.partitions)
		}
		close(proceed)
		<-drained
		done := len(first.seen())
		if done < first.partitions {
			t.Errorf("%d were under way and %d ended", first.partitions, done)
		}
		second := s.member(nil, nil)
		until(t, "the rest", func() string {
			if got := len(second.seen()); got+done < 60 {
				return fmt.Sprintf("%d and %d of 60", done, got)
			}
			return ""
		})
		s.caughtUp()
		second.stop()
		both := append(first.seen(), second.seen()...)
		slices.Sort(both)
		if got := len(slices.Compact(slices.Clone(both))); got != 60 || len(both) != 60 {
			t.Errorf("%d events in %d messages", got, len(both))
		}
	})
}

// TestPoisonDuringARebalance: records that nobody can read, that name nothing, or another event, lie between good ones, in
// every partition, while members of the group come and go. Each is refused and passed, no partition stands still, and all
// good ones are decided.
func TestPoisonDuringARebalance(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		desk := s.desk(s.kafka(nil))
		stop := s.run(s.station("one", s.kafka(nil), 0))
		s.sell(12, 12)
		desk.decided(12)
		poisoned := 0
		for round := range 3 {
			poisoned += s.poison(round)
			s.sell(12, 12)
			other := s.desk(s.kafka(nil)) // a rebalance
			poisoned += s.poison(round)
			s.sell(12, 12)
			until(t, "the other one has partitions", func() string {
				if other.begun.Load() == 0 {
					s.sell(12, 12)
					return "none yet"
				}
				return ""
			})
			other.stop() // and another
			desk.refused.Add(other.refused.Load())
		}
		s.relayed()
		s.caughtUp()
		stop()
		if got := int(desk.refused.Load()); got < poisoned {
			t.Errorf("%d of %d poisoned records were refused", got, poisoned)
		}
		desk.swept(s.head()) // what was taken by a process that stopped right after
		desk.decided(s.stored)
		t.Logf("%d events, %d poisoned records, %d refusals, 6 rebalances", s.stored, poisoned, desk.refused.Load())
	})
}

// poison puts records of every kind of rubbish into every partition, and returns how many.
func (s *shop) poison(round int) (n int) {
	s.t.Helper()
	c, _ := client(s.t, s.at)
	producer, err := sarama.NewSyncProducerFromClient(c)
	if err != nil {
		s.t.Fatal(err)
	}
	defer producer.Close()
	head, err := s.store.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	forged := func(position int, id string) []sarama.RecordHeader {
		return []sarama.RecordHeader{header(bus.HeaderPosition, fmt.Sprint(position)), header(bus.HeaderID, id), header(bus.HeaderSource, "stripe/test"),
			header(bus.HeaderStoreID, head.StoreID), header(bus.HeaderEpoch, fmt.Sprint(head.Epoch))}
	}
	for i := range 6 {
		for _, headers := range [][]sarama.RecordHeader{
			nil,
			{header(bus.HeaderID, "\xff")},
			{header(bus.HeaderUnreadable, "forged")},
			forged(2, "evt_forged"),
			forged(1<<40, "evt_1"),
		} {
			key := customerOf(s.t, s.topic, int32(i), 6)
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: s.topic, Key: sarama.StringEncoder(key), Headers: headers}); err != nil {
				s.t.Fatalf("round %d: %v", round, err)
			}
			n++
		}
	}
	return n
}

func header(name, value string) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
}
