package schedules_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/console"
)

// A serving process is stopped between claim and send, for longer than its lease. A second one does the work, and Stripe
// forgets the key. Stripe's half of the handshake waits for the first when it wakes: nothing but the clock keeps it from
// sending.
func TestAStoppedProcessDoesNotSendWhenItWakes(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		g := w.gate()
		first := w.serve(append(without(w.settings(at), "STRIPE_API_BASE"), "HOOKSAGA_LEASE=4s", "STRIPE_API_BASE="+g.url, "SSL_CERT_FILE="+g.trusted))
		o := newOrder(1)
		w.place(first.url, o)
		select {
		case <-g.arrived:
		case <-time.After(patience):
			t.Fatal("the first process did not get as far as Stripe")
		}
		first.freeze(at)
		store := at.open(t, nil)
		c, err := store.Driver().ListCommands(w.ctx, driver.CommandQuery{Name: "charge"})
		if err != nil || len(c) != 1 || c[0].Status != driver.StatusClaimed || c[0].Attempts != 1 || len(w.posts(o.id)) != 0 {
			t.Fatalf("stopped too late: the charge is %+v, %d requests (%v)", c, len(w.posts(o.id)), err)
		}
		second := w.serve(w.settings(at))
		w.deliver(second.url + "/webhooks/stripe")
		done := second.instance("order-payment/"+o.id, "completed")
		if c := charges(done); len(c) != 1 || c[0].Fence < 2 || c[0].Outcome != "charge.succeeded" {
			t.Errorf("the second process ended the charge as %+v", c)
		}
		w.sim.Advance(25 * time.Hour)
		g.open()
		select {
		case <-g.greeted:
		case <-time.After(patience):
			t.Fatal("Stripe did not answer the handshake")
		}
		first.child.Signal(syscall.SIGCONT)
		first.until("the end of the first process's attempt", func() string {
			if first.metric("hooksaga_command_attempt_duration_seconds_count", `command="charge"`) == 0 {
				return "it goes on"
			}
			return ""
		})
		first.stop()
		second.stop()
		if posts := w.posts(o.id); len(posts) != 1 || posts[0].Attempt != 1 {
			t.Errorf("%d requests: %+v", len(posts), posts)
		}
		w.money(o.id, money{intents: 1, charges: 1})
		contiguous(t, w.ctx, store)
	})
}

func charges(d console.InstanceDetail) (found []console.CommandView) {
	for _, c := range d.Commands {
		if c.Name == "charge" {
			found = append(found, c)
		}
	}
	return found
}

// freeze stops the process, at a moment at which it does not hold the lock of a SQLite file: that would stop everybody.
func (p *process) freeze(at place) {
	p.Helper()
	p.until("a stop without a lock", func() string {
		p.child.Signal(syscall.SIGSTOP)
		p.until("the stop", p.running)
		if at.file == "" || unlocked(p.ctx, at.file) {
			return ""
		}
		p.child.Signal(syscall.SIGCONT)
		return "it holds the lock"
	})
}

// running names a thread that has not stopped (proc(5): the state follows the name, which is in parentheses).
func (p *process) running() string {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.child.PID()))
	if err != nil || len(tasks) == 0 {
		return "there is no such process"
	}
	for _, task := range tasks {
		raw, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		if _, after, ok := bytes.Cut(raw, []byte(") ")); !ok || after[0] != 'T' {
			return "a thread is in state " + string(after[:1])
		}
	}
	return ""
}

// unlocked reports whether somebody else can write.
func unlocked(ctx context.Context, file string) bool {
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(0)")
	if err != nil {
		return false
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	return err == nil && tx.Rollback() == nil
}
