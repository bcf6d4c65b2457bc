package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// What happens to the order service's webhooks.
const (
	orderTwice  kind = "order delivered twice"
	orderAtOnce kind = "order delivered twice at once"
	orderGone   kind = "order's sender gone before the answer"
	orderBusy   kind = "order answered 503, and sent again"
	orderCut    kind = "order not answered, and sent again"
)

func loadKinds() []kind {
	return []kind{orderTwice, orderAtOnce, orderGone, orderBusy, orderCut, askedToo, askedAgain}
}

// crowd is how many deliveries may be under way: while nobody takes them, no more are begun.
const crowd = 300

// load places orders at a rate, and delivers each until it is acknowledged, to one process after another. It is safe for
// concurrent use.
type load struct {
	seed    int64
	journal *journal
	doors   []string
	tills   []string // for POST /charge
	sender  *traffic.Sender

	mu      sync.Mutex
	orders  []ledger.Order
	told    map[string]int // by order: how POST /charge answered
	acks    []int
	open    int // deliveries under way
	waiting int // who wants that no order is placed
	posts   sync.WaitGroup
}

func newLoad(p plan, j *journal, doors, tills []string) *load {
	s := traffic.NewSender(serving.OrdersSecret, crowd)
	s.Client.Timeout = 4 * time.Second
	return &load{seed: p.seed, journal: j, doors: doors, tills: tills, told: map[string]int{}, sender: s}
}

// place places orders until placing ends. Deliveries go on until all are acknowledged, or ctx ends.
func (l *load) place(ctx, placing context.Context, rate float64) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for {
		select {
		case <-placing.Done():
			return
		case <-tick.C:
			l.one(ctx)
		}
	}
}

func (l *load) one(ctx context.Context) {
	l.mu.Lock()
	if l.waiting > 0 || l.open >= crowd {
		l.mu.Unlock()
		return
	}
	n := len(l.orders)
	o := traffic.Order(l.seed, n, time.Now())
	l.orders, l.acks = append(l.orders, o), append(l.acks, 0)
	l.mu.Unlock()
	l.begin(ctx, 0, func() { l.deliver(ctx, n, o) })
	switch r := traffic.Draw(l.seed, "load", o.ID); {
	case r < 0.10:
		l.journal.hit(orderTwice, 1)
		l.begin(ctx, time.Duration(traffic.Draw(l.seed, "again", o.ID)*float64(5*time.Second)), func() { l.deliver(ctx, n, o) })
	case r < 0.20:
		l.journal.hit(orderAtOnce, 1)
		l.begin(ctx, 0, func() { l.deliver(ctx, n, o) })
	case r < 0.30:
		l.begin(ctx, 0, func() { l.leave(ctx, n, o) })
	case r < 0.40:
		l.begin(ctx, 0, func() { l.ask(ctx, n, o) })
	}
}

// begin does something about an order after a while, and counts it as under way until it has ended.
func (l *load) begin(ctx context.Context, later time.Duration, do func()) {
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
	l.posts.Go(func() {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.open--
		}()
		rest(ctx, later)
		do()
	})
}

// leave delivers an order and gives up after a few milliseconds: it may have been taken or not.
func (l *load) leave(ctx context.Context, n int, o ledger.Order) {
	leaving := 1 + time.Duration(traffic.Draw(l.seed, "patience", o.ID)*float64(8*time.Millisecond))
	ctx, cancel := context.WithTimeout(ctx, leaving)
	defer cancel()
	if _, _, err := l.sender.Post(ctx, l.doors[n%len(l.doors)], o.Body); err != nil {
		l.journal.hit(orderGone, 1)
	}
}

func (l *load) deliver(ctx context.Context, n int, o ledger.Order) {
	for try := n; ctx.Err() == nil; try++ {
		status, answer, err := l.sender.Post(ctx, l.doors[try%len(l.doors)], o.Body)
		switch {
		case err != nil:
			l.journal.hit(orderCut, 1)
		case status == http.StatusOK && answer == traffic.Received:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.acks[n]++
			return
		case status != http.StatusServiceUnavailable:
			l.journal.differ("order %s: its webhook was answered %d %q", o.ID, status, answer)
			return
		default:
			l.journal.hit(orderBusy, 1)
		}
		rest(ctx, 4*traffic.Again)
	}
}

// hold keeps orders from being placed until the returned function is called.
func (l *load) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting--
	}
}

// underWay is how many deliveries have not ended.
func (l *load) underWay() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// placed lists the orders that were acknowledged.
func (l *load) placed() (orders []ledger.Order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range l.acks {
		if n > 0 {
			orders = append(orders, l.orders[i])
		}
	}
	return orders
}

// counts are how many orders were begun, and how many acknowledged.
func (l *load) counts() (begun, acknowledged int) {
	placed := len(l.placed())
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.orders), placed
}
