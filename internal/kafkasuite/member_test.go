package kafkasuite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// member is a process of the group whose handler does nothing but wait.
type member struct {
	partitions int // that have records
	gate       *bus.Gate
	stop       func()
	stopping   chan struct{} // closed when it is told to stop

	mu  sync.Mutex
	ids []string
}

func (m *member) seen() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.ids...)
}

// member joins the shop's group. Each message tells busy, and waits for proceed; nil is not waited for.
func (s *shop) member(busy chan<- struct{}, proceed <-chan struct{}) *member {
	s.t.Helper()
	m := &member{stopping: make(chan struct{})}
	used := map[int32]bool{}
	for _, r := range tape(s.t, s.at, s.topic) {
		used[r.partition] = true
	}
	m.partitions = len(used)
	router, gate, err := bus.NewRouter(slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	m.gate = gate
	router.AddConsumerHandler("member", s.topic, s.kafka(nil).Subscriber(), func(msg *message.Message) error {
		if busy != nil {
			busy <- struct{}{}
			<-proceed
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ids = append(m.ids, msg.UUID)
		return nil
	})
	ran := make(chan error, 1)
	go func() { ran <- router.Run(context.WithoutCancel(s.t.Context())) }()
	<-router.Running()
	m.stop = sync.OnceFunc(func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 30*time.Second)
		defer cancel()
		close(m.stopping)
		if err := errors.Join(gate.Drain(end), router.Close(), <-ran); err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(m.stop)
	return m
}

// lag is how many records the shop's group has not acknowledged.
func (s *shop) lag(c sarama.Client, admin sarama.ClusterAdmin) (lag int64, err error) {
	return groupLag(c, admin, bus.Group(s.topic), s.topic)
}

// groupLag is how many records of a topic a group has not acknowledged.
func groupLag(c sarama.Client, admin sarama.ClusterAdmin, group, topic string) (lag int64, err error) {
	partitions, err := c.Partitions(topic)
	if err != nil {
		return 0, err
	}
	committed, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: partitions})
	if err != nil {
		return 0, err
	}
	for _, p := range partitions {
		end, err := c.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return 0, err
		}
		oldest, err := c.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			return 0, err
		}
		at := oldest
		if b := committed.GetBlock(topic, p); b != nil && b.Offset > at {
			at = b.Offset
		}
		lag += end - at
	}
	return lag, nil
}

// caughtUp waits until the group has acknowledged every record.
func (s *shop) caughtUp() {
	s.t.Helper()
	c, admin := client(s.t, s.at)
	until(s.t, "the group catches up", func() string {
		if lag, err := s.lag(c, admin); err != nil || lag > 0 {
			return fmt.Sprintf("%d records behind: %v", lag, err)
		}
		return ""
	})
}

// head is the last position of the store.
func (s *shop) head() int {
	s.t.Helper()
	head, err := s.store.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return int(head.Position)
}

// watermark is the saga's.
func (d *desk) watermark() int {
	t := d.shop.t
	t.Helper()
	rows, err := d.shop.driver.Sagas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == "tally" {
			return int(row.Watermark)
		}
	}
	return 0
}

// sweepOnce takes one step of the sweep beside everything else.
func (d *desk) sweepOnce() <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := d.sweep.Step(d.shop.t.Context())
		done <- err
	}()
	return done
}

// swept sweeps until the watermark is at or above a position.
func (d *desk) swept(position int) {
	t := d.shop.t
	t.Helper()
	until(t, "the watermark moves", func() string {
		d.shop.advance(time.Second) // it is written now and then
		if _, err := d.sweep.Step(t.Context()); err != nil {
			return err.Error()
		}
		if got := d.watermark(); got < position {
			return fmt.Sprintf("it is %d of %d", got, position)
		}
		return ""
	})
}
