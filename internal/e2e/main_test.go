package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A small run of the real thing: the real binary, killed twice. With this seed every fault hits.
func TestSmallRunOnSQLite(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var stdout, stderr bytes.Buffer
	code := command().Run(t.Context(), []string{"-orders", "60", "-kills", "2", "-seed", "1"}, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, &stdout, &stderr)
	}
	if !regexp.MustCompile(`^dup=[1-9]\d* lost=[1-9]\d* 5xx=[1-9]\d* declined=[1-9]\d* kills=2\nok\n$`).MatchString(stdout.String()) {
		t.Errorf("it printed %q", &stdout)
	}
	left, err := filepath.Glob(filepath.Join(temp, "hooksaga-e2e-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Without a kill and with too few orders for any fault, everything is in order but the proof.
func TestFaultsThatDidNotHitFail(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var stdout, stderr bytes.Buffer
	code := command().Run(t.Context(), []string{"-orders", "1", "-kills", "0", "-seed", "1"}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stdout.String(), "kills=0: nothing was killed") || strings.Contains(stdout.String(), "ok\n") {
		t.Fatalf("exit %d\n%s%s", code, &stdout, &stderr)
	}
	kept, err := filepath.Glob(filepath.Join(temp, "hooksaga-e2e-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept {
		kept[i] = filepath.Base(kept[i])
	}
	for _, name := range []string{"ledger.json", "events.json", "serve-01.log", "hooksaga.db"} {
		if !slices.Contains(kept, name) {
			t.Errorf("%s was not kept: %v", name, kept)
		}
	}
	if !strings.Contains(stderr.String(), "are in "+temp) {
		t.Errorf("the directory is not named: %s", &stderr)
	}
}

func TestZerosAreNamed(t *testing.T) {
	t.Parallel()
	if got := (counts{1, 1, 1, 1, 1}).zeros(); got != nil {
		t.Errorf("nothing is zero: %q", got)
	}
	if got := (counts{}).zeros(); len(got) != 5 {
		t.Errorf("everything is zero: %q", got)
	}
	if got := (counts{1, 2, 3, 4, 5}).String(); got != "dup=1 lost=2 5xx=3 declined=4 kills=5" {
		t.Error(got)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-store", "mysql"}, {"-bus", "rabbit"}, {"-orders", "0"}, {"-kills", "-1"}, {"-nope"}, {"extra"}} {
		var stdout, stderr bytes.Buffer
		if code := command().Run(t.Context(), args, &stdout, &stderr); code != 2 || stdout.Len() > 0 {
			t.Errorf("%v: exit %d, %q", args, code, &stdout)
		}
	}
}

func TestOneSeedIsOneLoad(t *testing.T) {
	t.Parallel()
	p, now := plan{seed: 7, orders: 2000, kills: 10}, time.Unix(1_700_000_000, 0)
	orders := placing(p, now)
	if d := cmp.Diff(orders, placing(p, now)); d != "" {
		t.Error(d)
	}
	order := deliveries(p, orders)
	if again := deliveries(p, orders); !slices.Equal(order, again) {
		t.Error("the same seed gives another order")
	}
	if n := len(order) - len(orders); n < 340 || n > 460 {
		t.Errorf("%d of %d are delivered twice, want a fifth", n, len(orders))
	}
	times := map[int]int{}
	for _, i := range order {
		times[i]++
	}
	for i := range orders {
		if times[i] != 1 && times[i] != 2 {
			t.Errorf("order %d is delivered %d times", i, times[i])
		}
	}
	p.seed = 8
	if other := deliveries(p, placing(p, now)); slices.Equal(order, other) {
		t.Error("another seed gives the same order")
	}
}

func TestMomentsAreWhileOrdersAreUnderWay(t *testing.T) {
	t.Parallel()
	for seed := range int64(50) {
		for _, p := range []plan{{seed: seed, orders: 2000, kills: 10}, {seed: seed, orders: 60, kills: 2}, {seed: seed, orders: 1, kills: 1}} {
			all := moments(p)
			if len(all) != p.kills || !slices.IsSorted(all) || all[0] < 1 || all[len(all)-1] >= int(stepsPerOrder)*p.orders {
				t.Errorf("seed %d, %d orders: %v", seed, p.orders, all)
			}
		}
	}
}
