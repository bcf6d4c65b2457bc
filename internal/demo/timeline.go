package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// scene is one story while it is played: whose webhooks it follows, and what it has shown of them.
type scene struct {
	*play
	began    time.Time
	followed map[string]bool // correlation ids
	orders   map[string]bool // in the ledger
	notes    []row           // what the demo itself did
	shown    map[string]bool // rows, by what they are about
}

func (p *play) scene() *scene {
	return &scene{play: p, began: time.Now(), followed: map[string]bool{}, orders: map[string]bool{}, shown: map[string]bool{}}
}

// row is one line of a timeline.
type row struct {
	about string // what it shows, once
	at    time.Time
	kind  string // webhook, new saga, saga, stripe, outcome, callback, publish, process
	what  string
	why   string
}

// follow makes what comes of a webhook, and of an order, part of this story.
func (s *scene) follow(correlation, order string) {
	s.followed[correlation] = true
	if order != "" {
		s.orders[order] = true
	}
}

// note adds what the demo did itself, now.
func (s *scene) note(kind, what, why string) {
	s.notes = append(s.notes, row{about: fmt.Sprintf("note %d", len(s.notes)), at: time.Now(), kind: kind, what: what, why: why})
}

// show prints what has happened since it was shown last, by time. What the program does not tell is left out, and an
// error.
func (s *scene) show(ctx context.Context) (err error) {
	rows := slices.Clone(s.notes)
	for _, correlation := range slices.Sorted(maps.Keys(s.followed)) {
		events, unread := s.events(ctx, correlation)
		if unread != nil {
			err = fmt.Errorf("read the story: %w", unread)
		}
		phases := map[string]saga.Phase{}
		for _, e := range events {
			if r, ok := ofEvent(e, phases); ok {
				rows = append(rows, r)
			}
		}
	}
	for _, r := range s.requests() {
		rows = append(rows, ofRequest(r))
	}
	for _, c := range s.callbacks() {
		rows = append(rows, ofCallback(c))
	}
	s.print(rows)
	return err
}

// showNotes prints what the demo did, while the program cannot be asked.
func (s *scene) showNotes() { s.print(slices.Clone(s.notes)) }

func (s *scene) print(rows []row) {
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	for _, r := range rows {
		if !s.shown[r.about] {
			s.shown[r.about] = true
			s.out.row(since(r.at.Sub(s.began)), r)
		}
	}
}

// sum prints what the simulator's ledger has of each order in the end.
func (s *scene) sum() {
	for _, order := range slices.Sorted(maps.Keys(s.orders)) {
		keys, requests := map[string]bool{}, 0
		for _, r := range s.requests() {
			if r.Order == order {
				requests++
				if r.Key != "" {
					keys[r.Key] = true
				}
			}
		}
		moved := "no money moved"
		for _, e := range s.world.stripe.Effects(order) {
			if e.Received > 0 {
				moved = several(s.world.stripe.Charged(order).Count, "payment") + " of " + money(e.Received, e.Currency)
			}
		}
		s.out.row("", row{kind: "ledger", what: "order " + order,
			why: fmt.Sprintf("%s, %s under %s", moved, several(requests, "request"), several(len(keys), "key"))})
	}
}

func several(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// requests are the lines of the ledger that are about this story's orders.
func (s *scene) requests() (mine []chargetest.Request) {
	for _, r := range s.world.stripe.Ledger().Requests {
		if s.orders[r.Order] {
			mine = append(mine, r)
		}
	}
	return mine
}
