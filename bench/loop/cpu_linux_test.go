package main

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestFamilyCountsChildren(t *testing.T) {
	t.Parallel()
	before, err := family(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// A child that uses CPU time and ends: it is counted by what was waited for.
	if err := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	after, err := family(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after-before < 2*tick {
		t.Errorf("a child that counted to 200,000 took %s", after-before)
	}
	if s, err := process(os.Getpid()); err != nil || s.parent != os.Getppid() || s.waited < 2*tick {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := process(1 << 30); err == nil {
		t.Error("a process that cannot be was read")
	}
}

func TestListenersFindsWhoListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pids, err := listeners([]int{l.Addr().(*net.TCPAddr).Port})
	if err != nil || !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("got %v, %v, want %d", pids, err, os.Getpid())
	}
}

func TestUsagePrintsKafkaOnlyWhereItIs(t *testing.T) {
	t.Parallel()
	u := usage{contender: 5 * time.Millisecond, postgres: time.Millisecond}
	if got := u.sub(usage{contender: time.Millisecond}).String(); got != "4000 + 1000 + 0" {
		t.Errorf("got %s", got)
	}
	u.kafka = time.Millisecond
	if got := u.String(); got != "5000 + 1000 + 0 + 1000" {
		t.Errorf("got %s", got)
	}
}
