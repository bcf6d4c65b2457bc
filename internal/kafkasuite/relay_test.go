package kafkasuite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// TestALeaderThatMoves: leaders change while a relay publishes. Each key stays in order, and nothing is missing.
func TestALeaderThatMoves(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		stop := s.run(s.station("one", s.kafka(nil), 0))
		s.sell(60, 9)
		s.relayed()
		c, _ := client(t, at)
		moved := 0
		for p := range int32(3) {
			before := leader(t, c, s.topic, p)
			s.sell(60, 9)
			at.move(t, s.topic, p)
			s.sell(60, 9)
			if leader(t, c, s.topic, p) != before {
				moved++
			}
		}
		s.relayed()
		stop()
		again := s.judge()
		if moved != 3 {
			t.Errorf("%d leaders moved", moved)
		}
		t.Logf("%d leaders moved, %d events, %d records again", moved, s.stored, again)
	})
}

// TestOneOfManyBrokersCrashes: the leader of a partition is killed while a relay publishes, and comes back later.
func TestOneOfManyBrokersCrashes(t *testing.T) {
	onBothAlone(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		n := s.station("one", s.kafka(nil), 0)
		stop := s.run(n)
		s.sell(60, 9)
		s.relayed()
		c, _ := client(t, at)
		before := leader(t, c, s.topic, 0)
		heal := at.crash(t, s.topic, 0)
		s.sell(60, 9)
		s.relayed() // without it
		if now := leader(t, c, s.topic, 0); now == before {
			t.Errorf("%d leads still", now)
		}
		heal()
		s.sell(60, 9)
		s.relayed()
		stop()
		t.Logf("%d events, %d records again, %+v", s.stored, s.judge(), n.told())
	})
}

// TestABrokerHangs: the leader of a partition stops answering with its connections open. In this process the broker writes
// and says that it has timed out; of Apache Kafka a node is stopped by a signal until another leads.
func TestABrokerHangs(t *testing.T) {
	onBothAlone(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		n := s.station("one", s.kafka(nil), 0)
		stop := s.run(n)
		s.sell(60, 9)
		s.relayed()
		heal := at.hang(t, s.topic, 0)
		s.sell(120, 9)
		if _, ok := at.(*fake); ok {
			s.relayed()
		}
		heal()
		s.relayed()
		stop()
		t.Logf("%d events, %d records again, %+v", s.stored, s.judge(), n.told())
	})
}

// TestAllBrokersGone: nobody answers; the store goes on, the relay waits, and when the brokers are back with what they had,
// everything arrives. A minute is shortened to what it takes for the relay to fail twice: it does the same each time.
func TestAllBrokersGone(t *testing.T) {
	onBothAlone(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		n := s.station("one", s.kafka(nil), 0)
		stop := s.run(n)
		s.sell(60, 9)
		s.relayed()
		heal := at.gone(t)
		s.sell(120, 9)
		until(t, "the relay fails", func() string {
			if n.told().failed < 2*60 {
				return "not yet"
			}
			return ""
		})
		if at := s.checkpoint(); at != 60 {
			t.Errorf("the checkpoint went to %d without a broker", at)
		}
		heal()
		s.relayed()
		stop()
		t.Logf("%d events, %d records again, %+v", s.stored, s.judge(), n.told())
	})
}

// TestTheFirstOfABatchFails: of one batch the record of position 1 is refused and that of position 2 is written. The topic
// has them in the other order then. The checkpoint stays below 1 until it is written, nobody takes 1 for a duplicate, and
// each key stays in order.
func TestTheFirstOfABatchFails(t *testing.T) {
	onBothAlone(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		at.split(t, s.topic)
		k := s.kafka(nil)
		desk := s.desk(k)
		before := s.checkpoint()
		if err := k.Ensure(t.Context(), s.topic); err != nil {
			t.Fatal(err)
		}
		refused, taken := customerOf(t, s.topic, 0, 2), customerOf(t, s.topic, 1, 2)
		heal := at.refuse(t, s.topic)
		for _, customer := range []string{refused, taken, refused, taken} {
			s.sellTo(customer)
		}
		n := s.station("one", k, 0)
		if _, err := n.Step(t.Context()); err == nil {
			t.Fatal("the first step failed at nothing")
		}
		if got := n.told(); got.failed != 2 || got.published != 2 || s.checkpoint() > before+1 { // the saga's activation is position 1
			t.Fatalf("the fault did not hit: %+v, checkpoint %d", got, s.checkpoint())
		}
		heal()
		stop := s.run(n)
		s.relayed()
		stop()
		if again := s.judge(); again != 0 {
			t.Errorf("%d records again", again)
		}
		desk.decided(4)
		if known := desk.known.Load(); known != 0 {
			t.Errorf("%d were taken for duplicates", known)
		}
	})
}

// TestTwoRelaysAtOnce: two processes want to publish. One does at a time, whoever; together they publish everything, and
// nothing twice as long as each gives its lease back.
func TestTwoRelaysAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		one, two := s.station("one", s.kafka(nil), 90*time.Millisecond), s.station("two", s.kafka(nil), 90*time.Millisecond)
		stopOne := s.run(one)
		s.sell(50, 7)
		s.relayed()
		stopTwo := s.run(two)
		s.sell(50, 7)
		s.relayed()
		if one.told().published != 100 || two.told().led != 0 {
			t.Errorf("one %+v, two %+v", one.told(), two.told())
		}
		stopOne() // gives the lease back
		s.sell(50, 7)
		s.relayed()
		stopTwo()
		if got := two.told(); got.published != 50 || got.led != 1 {
			t.Errorf("the second after the first: %+v", got)
		}
		if again := s.judge(); again != 0 {
			t.Errorf("%d records again", again)
		}
	})
}

// TestAZombieRelay: a relay stands still between what it read and what it sends, for longer than its lease; another takes
// over and publishes on. Awake, the first one sends what it had: records again, behind newer ones of their keys. It cannot
// move the checkpoint, and stops.
func TestAZombieRelay(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		zombie, other := s.station("zombie", s.kafka(nil), time.Hour), s.station("other", s.kafka(nil), time.Hour)
		if err := s.kafka(nil).Ensure(t.Context(), s.topic); err != nil {
			t.Fatal(err)
		}
		s.sell(20, 3)
		if _, err := zombie.Step(t.Context()); err != nil || s.checkpoint() != 20 {
			t.Fatalf("%v, checkpoint %d", err, s.checkpoint())
		}
		s.sell(20, 3)
		until(t, "it knows of them", func() string { // its store looks for what others have stored
			if head, err := zombie.events.Head(t.Context()); err != nil || head.Position < 40 {
				return "not yet"
			}
			return ""
		})
		hit, thaw := zombie.freeze()
		woke := make(chan error, 1)
		go func() {
			_, err := zombie.Step(t.Context())
			woke <- err
		}()
		<-hit
		s.advance(2 * time.Hour)
		stop := s.run(other)
		s.sell(20, 3)
		s.relayed()
		thaw()
		if err := <-woke; !errors.Is(err, driver.ErrLeaseLost) {
			t.Errorf("awake: %v", err)
		}
		if got := s.checkpoint(); got != 60 {
			t.Errorf("the checkpoint went to %d", got)
		}
		for range 3 {
			if progressed, err := zombie.Step(t.Context()); progressed || err != nil {
				t.Errorf("a relay without a lease goes on: %t, %v", progressed, err)
			}
		}
		stop()
		if again, got := s.judge(), zombie.told(); again != 20 || got.published != 40 {
			t.Errorf("%d records again: the zombie did not send; %+v", again, got)
		}
	})
}
