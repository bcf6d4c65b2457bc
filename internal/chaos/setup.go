package main

import (
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// role is the PAYMENTS_MODE of a process; "" is all of them.
type role string

const (
	everything role = ""
	gateway    role = "gateway"
	receiver   role = "webhook-receiver"
)

func (r role) receives() bool { return r != gateway }
func (r role) charges() bool  { return r != receiver }

// roles draws who is who.
func roles(seed int64) []role {
	all := [][]role{{everything, everything}, {gateway, receiver}, {gateway, receiver, everything}, {everything, gateway, receiver}, {everything, receiver}}
	return all[pick(traffic.Draw(seed, "roles"), len(all))]
}

// service is something that processes are connected to.
type service string

const (
	toPostgres service = "postgres"
	toKafka    service = "kafka"
	toStripe   service = "stripe"
)

// toxic is what toxiproxy does to a connection.
type toxic string

const (
	slow      toxic = "slow"            // latency and jitter
	reset     toxic = "reset"           // RST
	swallowed toxic = "swallowed"       // nothing gets through, nobody is told
	expired   toxic = "expired"         // nothing gets through, then closed
	cut       toxic = "cut mid-stream"  // closed after some bytes
	lingering toxic = "closed late"     // closed, and told so a while later
	refused   toxic = "closed, refused" // all closed at once, and no new one
)

// on names a toxic's effect on a service.
func (t toxic) on(s service) kind { return kind("connection to " + string(s) + " " + string(t)) }

// spoils are those that are sure to hit: a connection to Kafka is closed too seldom to be closed late.
func spoils(s service) []toxic {
	all := []toxic{slow, reset, swallowed, expired, cut, refused}
	if s == toStripe {
		all = append(all, lingering)
	}
	return all
}

// lanes are what a plan has coming. disk says whether the disk can be filled here.
func lanes(p plan, disk bool) []lane {
	processes := lane{name: "processes", pauseMin: time.Second, pauseMax: 5 * time.Second, lastsMin: 200 * time.Millisecond, lastsMax: 3 * time.Second,
		kinds: []kind{processKilled, processesKilled, processStopped, processFrozen, processRolled}}
	store := lane{name: "store", pauseMin: 2 * time.Second, pauseMax: 8 * time.Second, lastsMin: 500 * time.Millisecond, lastsMax: 4 * time.Second}
	network := lane{name: "network", pauseMin: 500 * time.Millisecond, pauseMax: 3 * time.Second, lastsMin: time.Second, lastsMax: 5 * time.Second}
	clock := lane{name: "clock", pauseMin: 5 * time.Second, pauseMax: 10 * time.Second, lastsMin: time.Second, lastsMax: 4 * time.Second,
		kinds: []kind{webhooksEarly, webhooksStale, webhooksOff}}
	brokers := lane{name: "brokers", pauseMin: 3 * time.Second, pauseMax: 10 * time.Second, lastsMin: time.Second, lastsMax: 8 * time.Second}
	keys := lane{name: "keys", pauseMin: 15 * time.Second, pauseMax: 60 * time.Second, lastsMin: truce, lastsMax: truce, kinds: []kind{keysExpired}}
	services := []service{toStripe}
	if p.Store == trial.Postgres {
		services = append(services, toPostgres)
		store.kinds = []kind{backendKilled, backendTerminated, backendStopped, postmasterKilled, postgresStopped, postgresQuit}
	} else {
		store.kinds = []kind{fileLocked}
	}
	if disk {
		store.kinds = append(store.kinds, diskFull)
	}
	if p.Bus == trial.Kafka {
		services = append(services, toKafka)
		processes.kinds = append(processes.kinds, busSwitched)
		brokers.kinds = []kind{brokerKilled, brokerStopped, quorumLost}
	}
	for _, s := range services {
		for _, t := range spoils(s) {
			network.kinds = append(network.kinds, t.on(s))
		}
	}
	return []lane{processes, store, network, clock, brokers, keys}
}

// expected lists every kind that has to hit in a thorough run.
func expected(p plan, disk bool) (all []kind) {
	for _, l := range lanes(p, disk) {
		all = append(all, l.kinds...)
	}
	for _, f := range faults() {
		all = append(all, kind(f.Name))
	}
	return slices.Concat(all, courierKinds(), loadKinds(), []kind{callbackFailed})
}
