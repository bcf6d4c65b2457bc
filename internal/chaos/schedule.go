package main

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// kind names a sort of fault in schedules, counts and timelines.
type kind string

// Faults of lanes. Those of the gateway and of webhooks are drawn by request: see gateway.go and courier.go.
const (
	processKilled   kind = "process killed"
	processesKilled kind = "all processes killed at once"
	processStopped  kind = "process stopped"
	processFrozen   kind = "process stopped for longer than a lease"
	processRolled   kind = "process restarted in order"
	busSwitched     kind = "process switched to the other bus"
	keysExpired     kind = "gateway forgot its keys, 25 h later"

	backendKilled     kind = "postgres backend killed"
	backendTerminated kind = "postgres backends terminated"
	backendStopped    kind = "postgres backend stopped"
	postmasterKilled  kind = "postgres killed"
	postgresStopped   kind = "postgres stopped"
	postgresQuit      kind = "postgres shut down at once"
	diskFull          kind = "disk full"
	fileLocked        kind = "sqlite file locked by a stranger"

	brokerKilled  kind = "broker killed"
	brokerStopped kind = "broker stopped"
	quorumLost    kind = "most brokers stopped"

	webhooksEarly kind = "webhooks signed 10 min early"
	webhooksStale kind = "webhooks signed 10 min late"
	webhooksOff   kind = "webhooks signed 4 min off"
)

// lane is a sequence of faults that do not overlap. Lanes run side by side.
type lane struct {
	name  string
	kinds []kind
	// pause between two faults and duration of one are drawn from these.
	pauseMin, pauseMax time.Duration
	lastsMin, lastsMax time.Duration
}

// act is one fault of a lane.
type act struct {
	kind  kind
	pause time.Duration // before it begins
	lasts time.Duration
	draw  [3]float64 // for whatever else has to be chosen
}

// schedule deals a lane's faults for so long: all kinds in one random order, then all in another, and so on, so that none
// is missing for long.
func schedule(seed int64, l lane, lasts time.Duration) (acts []act) {
	if len(l.kinds) == 0 {
		return nil
	}
	draw := func(parts ...string) float64 { return traffic.Draw(seed, append([]string{l.name}, parts...)...) }
	between := func(low, high time.Duration, r float64) time.Duration {
		return low + time.Duration(r*float64(high-low))
	}
	var at time.Duration
	for round := 0; ; round++ {
		for _, k := range shuffled(l.kinds, func(k kind) float64 { return draw("order", strconv.Itoa(round), string(k)) }) {
			n := strconv.Itoa(len(acts))
			a := act{kind: k, pause: between(l.pauseMin, l.pauseMax, draw("pause", n)), lasts: between(l.lastsMin, l.lastsMax, draw("lasts", n))}
			for i := range a.draw {
				a.draw[i] = draw("draw", n, strconv.Itoa(i))
			}
			acts = append(acts, a)
			if at += a.pause + a.lasts; at >= lasts {
				return acts
			}
		}
	}
}

func shuffled(kinds []kind, draw func(kind) float64) []kind {
	out := slices.Clone(kinds)
	slices.SortFunc(out, func(a, b kind) int { return cmp.Or(cmp.Compare(draw(a), draw(b)), cmp.Compare(a, b)) })
	return out
}

// pick chooses one of n.
func pick(draw float64, n int) int { return min(int(draw*float64(n)), n-1) }
