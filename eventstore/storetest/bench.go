package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// RunBenchmarks measures what the main path asks of a store. Every benchmark reports what it counts by the second.
func RunBenchmarks(b *testing.B, open func(testing.TB) Backend) {
	run := func(name string, bench func(*testing.B, *fixture)) {
		b.Run(name, func(b *testing.B) { bench(b, newFixture(b, open(b))) })
	}
	for _, n := range []int{1, 8, 64, 512} {
		run(fmt.Sprintf("webhooks/batches=%d", n), func(b *testing.B, f *fixture) { benchWebhooks(b, f, n) })
	}
	for _, n := range []int{1, 64} {
		run(fmt.Sprintf("steps/batches=%d", n), func(b *testing.B, f *fixture) { benchSteps(b, f, n) })
	}
	run("read/page=500", benchRead)
	run("poll", benchPoll)
	run("claim/limit=64", benchClaim)
}

// perSecond reports how many things were done in a second.
func perSecond(b *testing.B, what string, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what+"/s")
}

// benchWebhooks commits single events of 3.6 KB, the size of an invoice, n batches at once.
func benchWebhooks(b *testing.B, f *fixture, n int) {
	body := make([]byte, 3600)
	total := 0
	for b.Loop() {
		batches := make([]driver.Batch, n)
		for i := range batches {
			e := event(fmt.Sprint("evt_", total+i))
			e.Body = body
			batches[i] = batch(e)
		}
		f.commit(b, batches...)
		total += n
	}
	perSecond(b, "events", total)
}

// benchSteps commits what a saga's start does: a decision, a new instance, a command with its asker, and a timer.
func benchSteps(b *testing.B, f *fixture, n int) {
	total := 0
	for b.Loop() {
		batches := make([]driver.Batch, n)
		for i := range batches {
			key := fmt.Sprint("o_", total+i)
			decision := on("saga/order/"+key, event("decision "+key))
			decision.Source = driver.Self
			s := onKnown(driver.Done, decision)
			s.Instances = []driver.InstanceChange{{Instance: instance("order", key), StuckAfter: time.Hour}}
			s.Commands = []driver.CommandChange{{Command: command("command " + key), Lease: time.Minute}}
			s.Askers = []driver.Asker{{Command: "command " + key, Instance: "order/" + key, Cause: "decision " + key, State: driver.AskerOpen}}
			s.Timers = []driver.TimerChange{{Timer: timer("timer "+key, time.Time{}), After: time.Hour}}
			s.Queue = []driver.QueueChange{{Op: driver.QueueAbsent, Input: driver.Queued{Guard: "decision " + key}}}
			batches[i] = s
		}
		for _, v := range f.commit(b, batches...) {
			if v.Code != driver.Committed {
				b.Fatal(show(v))
			}
		}
		total += n
	}
	perSecond(b, "steps", total)
}

// fill stores 5,000 events.
func fill(b *testing.B, f *fixture) {
	b.Helper()
	for i := range 10 {
		var all driver.Batch
		for k := range 500 {
			all.Events = append(all.Events, batch(event(fmt.Sprintf("%d-%d", i, k))).Events...)
		}
		f.ok(b, all)
	}
}

// benchRead follows the store in pages.
func benchRead(b *testing.B, f *fixture) {
	fill(b, f)
	total, after := 0, driver.Position(0)
	for b.Loop() {
		page, err := f.Read(b.Context(), driver.Query{After: after, Limit: 500})
		if err != nil {
			b.Fatal(err)
		}
		if after = 0; len(page) == 500 {
			after = page[499].Position
		}
		total += len(page)
	}
	perSecond(b, "events", total)
}

// benchPoll looks for events that are not there, as whoever follows the store does most of the time.
func benchPoll(b *testing.B, f *fixture) {
	fill(b, f)
	for b.Loop() {
		if page, err := f.Read(b.Context(), driver.Query{After: 5000, Limit: 500}); err != nil || len(page) != 0 {
			b.Fatal(len(page), err)
		}
	}
}

// benchClaim claims commands from a queue that is refilled outside the clock.
func benchClaim(b *testing.B, f *fixture) {
	total, round := 0, 0
	for b.Loop() {
		b.StopTimer()
		var more driver.Batch
		for i := range 64 {
			more.Commands = append(more.Commands, driver.CommandChange{Command: command(fmt.Sprintf("%d-%d", round, i))})
		}
		f.ok(b, more)
		round++
		b.StartTimer()
		got, err := f.Claim(b.Context(), []string{"charge"}, 64, time.Hour)
		if err != nil || len(got) != 64 {
			b.Fatal(len(got), err)
		}
		total += len(got)
	}
	perSecond(b, "commands", total)
}
