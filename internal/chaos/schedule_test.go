package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

func setups() (all []plan) {
	for _, store := range []string{trial.SQLite, trial.Postgres} {
		for _, bus := range []string{trial.InProcess, trial.Kafka} {
			all = append(all, plan{Setup: trial.Setup{Store: store, Bus: bus}})
		}
	}
	return all
}

func TestOneSeedIsOneSchedule(t *testing.T) {
	t.Parallel()
	for _, p := range setups() {
		for _, l := range lanes(p, true) {
			if len(l.kinds) == 0 {
				continue
			}
			one, again := schedule(7, l, time.Minute), schedule(7, l, time.Minute)
			if d := cmp.Diff(one, again, cmp.AllowUnexported(act{})); d != "" {
				t.Errorf("%s: %s", l.name, d)
			}
			if slices.Equal(one, schedule(8, l, time.Minute)) {
				t.Errorf("%s: another seed gives the same schedule", l.name)
			}
		}
	}
}

// What a longer run does in the beginning is what a shorter one does.
func TestALongerScheduleBeginsAsAShorterOne(t *testing.T) {
	t.Parallel()
	for _, l := range lanes(setups()[2], true) {
		short, long := schedule(3, l, time.Minute), schedule(3, l, 10*time.Minute)
		if !slices.Equal(short, long[:len(short)]) {
			t.Errorf("%s: the beginning differs", l.name)
		}
	}
}

func TestEveryKindComesInAThoroughRun(t *testing.T) {
	t.Parallel()
	for seed := range int64(100) {
		for _, p := range setups() {
			for _, l := range lanes(p, true) {
				acts := schedule(seed, l, thorough)
				for _, k := range l.kinds {
					if !slices.ContainsFunc(acts, func(a act) bool { return a.kind == k }) {
						t.Errorf("seed %d, %s+%s: %s never comes", seed, p.Store, p.Bus, k)
					}
				}
				for _, a := range acts {
					if a.pause < l.pauseMin || a.pause > l.pauseMax || a.lasts < l.lastsMin || a.lasts > l.lastsMax {
						t.Fatalf("seed %d, %s: %+v", seed, l.name, a)
					}
				}
			}
		}
	}
}

func TestSeedsDrawAllRoles(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for seed := range int64(50) {
		receives, charges := false, false
		name := ""
		for _, r := range roles(seed) {
			receives, charges = receives || r.receives(), charges || r.charges()
			name += string(r) + ","
		}
		if seen[name] = true; !receives || !charges || len(roles(seed)) < 2 {
			t.Errorf("seed %d: %v", seed, roles(seed))
		}
	}
	if len(seen) != 5 {
		t.Errorf("50 seeds draw %d sets of roles", len(seen))
	}
}

func TestWhatDidNotHitFailsAThoroughRun(t *testing.T) {
	t.Parallel()
	p := plan{Setup: trial.Setup{Store: trial.Postgres, Bus: trial.Kafka}, seed: 9, lasts: thorough}
	r := result{plan: p, summary: "all went well", expected: expected(p, true), hits: map[kind]int{}, timeline: []entry{{time.Second, "the last thing"}}}
	for _, k := range r.expected {
		r.hits[k] = 2
	}
	var out bytes.Buffer
	if ok := r.Print(&out); !ok || !strings.HasSuffix(out.String(), "\nok\n") {
		t.Fatalf("%v\n%s", ok, &out)
	}
	r.hits[quorumLost] = 0
	out.Reset()
	if ok := r.Print(&out); ok || strings.Contains(out.String(), "ok\n") {
		t.Fatalf("%v\n%s", ok, &out)
	}
	for _, want := range []string{"most brokers stopped: never, in 5m0s\n", "the last thing\n", "again: make chaos SEED=9 FOR=5m0s STORE=postgres BUS=kafka\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	r.plan.lasts = time.Minute
	if !r.Print(&out) {
		t.Error("a short run need not have everything")
	}
}

func TestADifferenceFails(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := result{plan: plan{lasts: time.Minute}, differences: slices.Repeat([]string{"order o_1: charged 2 times"}, shown+5)}
	if ok := r.Print(&out); ok || !strings.Contains(out.String(), "35 differences:\norder o_1") || !strings.Contains(out.String(), "… and 5 more\n") {
		t.Errorf("%v\n%s", ok, &out)
	}
}

func TestExpectedKindsDiffer(t *testing.T) {
	t.Parallel()
	for _, p := range setups() {
		all := expected(p, true)
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
			t.Errorf("%s+%s: %d of %d kinds differ: %q", p.Store, p.Bus, n, len(all), all)
		}
		if slices.Contains(expected(p, false), diskFull) {
			t.Error("a disk that cannot be filled is expected to be full")
		}
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-store", "mysql"}, {"-bus", "rabbit"}, {"-for", "0"}, {"-rate", "0"}, {"-rate", "1e9"}, {"-nope"}, {"extra"}} {
		var stdout, stderr bytes.Buffer
		if code := command().Run(t.Context(), args, &stdout, &stderr); code != 2 || stdout.Len() > 0 {
			t.Errorf("%v: exit %d, %q", args, code, &stdout)
		}
	}
}

func TestTheTimelineIsTheLastMinuteOfTheFaultsAndWhatCameAfter(t *testing.T) {
	t.Parallel()
	j := newJournal(io.Discard)
	j.lines = []entry{{30 * time.Second, "long ago"}, {150 * time.Second, "late"}, {400 * time.Second, "afterwards"}}
	j.over = 200 * time.Second
	if got := j.lastMinute(); len(got) != 2 || got[0].text != "late" {
		t.Errorf("%v", got)
	}
}
