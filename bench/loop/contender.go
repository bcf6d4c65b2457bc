package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// contender is one way to get from an order to a paid order.
type contender struct {
	letter string // for -only
	name   string
	dir    string // of its module, from the root of the repository
	build  string // the package in it
	args   []string
	kafka  bool // the bus is Kafka
	ours   bool

	// always is what is changed of its environment, settings what is for one measure, where that is to its advantage.
	always   []setting
	settings map[string][]setting
	measures []string // that it takes part in
	most     int      // orders of a closed loop, where it is too slow for all of them; 0: all

	// completed counts the orders that are completed, in the contender's own tables, and says when the last one was.
	completed string
	// finished lists them, with when each was.
	finished string
}

// The product's own tables. An order is completed when its payment saga has ended well and the fact that the rest of the
// company waits for is published: everything that the sagas of the repository do for it.
const (
	oursCompleted = `select least(paid.n, told.n), greatest(paid.last, told.last) from
		(select count(*) n, max(updated) last from instances where saga = 'order-payment' and terminal and status = 'completed') paid,
		(select count(*) n, max(updated) last from instances where saga = 'payments-completed' and terminal and status = 'completed') told`
	oursFinished = `select key, updated from instances where saga = 'order-payment' and terminal and status = 'completed'`
)

// The tables of the peers.
const (
	peerCompleted = `select count(*), max(completed_at) from orders where status = 'completed'`
	peerFinished  = `select order_id, completed_at from orders where status = 'completed'`
)

func contenders() []contender {
	ours := contender{letter: "h", name: "hooksaga", dir: ".", build: "./cmd/hooksaga", args: []string{"serve"}, ours: true,
		always:    []setting{"HOOKSAGA_LOG_LEVEL=warn"}, // as the peers log
		completed: oursCompleted, finished: oursFinished, measures: []string{measureClosed, measureE2E, measureGateway}}
	oursKafka := ours
	oursKafka.letter, oursKafka.name, oursKafka.kafka, oursKafka.measures = "hk", "hooksaga, Kafka", true, []string{measureClosed}
	peer := func(letter, name, dir string, measures ...string) contender {
		return contender{letter: letter, name: name, dir: filepath.Join("bench", "peers", dir), build: ".", measures: measures,
			completed: peerCompleted, finished: peerFinished}
	}
	byDefault := func(c contender) contender { // the same as its library is without settings
		c.letter, c.name, c.always, c.settings = c.letter+"d", c.name+", defaults", []setting{"PEER_DEFAULTS=1"}, nil
		return c
	}
	river := peer("r", "River", "river", measureClosed, measureE2E, measureGateway)
	river.settings = map[string][]setting{measureE2E: {"PEER_LOOK=1ms"}}
	watermill := peer("w", "watermill-sql", "watermillsql", measureClosed, measureE2E)
	watermillDefaults := byDefault(watermill)
	watermillDefaults.most = 1000 // at some thirty a second
	onKafka := peer("k", "Watermill, Kafka", "watermillkafka", measureClosed)
	onKafka.kafka = true
	return []contender{ours, river, byDefault(river), watermill, watermillDefaults, oursKafka, onKafka}
}

// orders is how many of so many orders it is given in a closed loop.
func (c contender) orders(all int) int {
	if c.most > 0 {
		return min(c.most, all)
	}
	return all
}

// pick returns the contenders with these letters; "" is all.
func pick(only string) ([]contender, error) {
	all := contenders()
	if only == "" {
		return all, nil
	}
	var picked []contender
	for letter := range strings.SplitSeq(only, ",") {
		at := slices.IndexFunc(all, func(c contender) bool { return c.letter == letter })
		if at < 0 {
			return nil, fmt.Errorf("-only %q: there is no contender %q", only, letter)
		}
		picked = append(picked, all[at])
	}
	return picked, nil
}

// compile builds a contender and returns its program. Two that are one program are compiled once by the go command.
func (c contender) compile(ctx context.Context, root, dir string) (string, error) {
	program := filepath.Join(dir, "contender-"+c.letter)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, c.build)
	cmd.Dir = filepath.Join(root, c.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", c.name, err, out)
	}
	return program, nil
}

// environment is what a contender is started with, beside what this process was and is none of our settings: the same
// secrets, the same gateway, the same server of Postgres, and for the rest its own best defaults.
func (c contender) environment(at *site, listen, admin, gateway string) (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "HOOKSAGA_") && !strings.HasPrefix(name, "STRIPE_") && !strings.HasPrefix(name, "PEER_") &&
			name != "PAYMENTS_MODE" && !strings.Contains(name, "_WEBHOOK_SECRET") {
			env = append(env, v)
		}
	}
	env = append(env, "STRIPE_API_BASE=http://"+gateway, "STRIPE_KEY="+stripeKey,
		"STRIPE_WEBHOOK_SECRET="+stripeSecret, "ORDERS_WEBHOOK_SECRET="+ordersSecret)
	if !c.ours {
		return append(env, "PEER_LISTEN="+listen, "PEER_DATABASE="+at.database, "PEER_KAFKA="+at.brokers)
	}
	bus := "inprocess"
	if c.kafka {
		bus = "kafka://" + at.brokers
	}
	return append(env, "HOOKSAGA_LISTEN="+listen, "HOOKSAGA_ADMIN_LISTEN="+admin, "HOOKSAGA_STORE="+at.database, "HOOKSAGA_BUS="+bus)
}
