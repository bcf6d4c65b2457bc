package sqlitestore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

// crashEnv names the file that a child process writes until it is killed.
const crashEnv = "HOOKSAGA_SQLITESTORE_CRASH_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(crashEnv); file != "" {
		fmt.Println(writeUntilKilled(context.Background(), file))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled commits batches and prints the position of each that was acknowledged. It returns only in error.
func writeUntilKilled(ctx context.Context, file string) error {
	s, err := sqlitestore.Open(ctx, file, &sqlitestore.Options{Migrate: true})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		b := append(one(id+"-a"), one(id+"-b")...)
		b[1].Instances = []driver.InstanceChange{{Instance: driver.Instance{ID: "order/" + id, Saga: "order", Key: id}}}
		vs, err := s.Commit(ctx, b)
		if err != nil {
			return err
		}
		fmt.Println(vs[1].Places[0].Position, id)
	}
}

// TestKilledProcess kills a process with SIGKILL while it commits, beside a store that stays open, a few times over.
// Whatever it has acknowledged is there, whole, and no position is missing.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store.db")
	s := newStore(t, file)
	acked := map[string]driver.Position{}
	for round := range 4 {
		for id, position := range runAndKill(t, file, 10+7*round) {
			acked[id] = position
		}
	}
	if len(acked) < 4*10 {
		t.Fatalf("only %d commits were acknowledged: the test does not test", len(acked))
	}
	events, err := s.Read(t.Context(), driver.Query{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]driver.Position{}
	for i, e := range events {
		if e.Position != driver.Position(i+1) {
			t.Fatalf("event %d has position %d", i+1, e.Position)
		}
		at[e.ID] = e.Position
	}
	instances, err := s.ListInstances(t.Context(), driver.InstanceQuery{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2*len(instances) {
		t.Errorf("%d events and %d instances: a commit is stored in part", len(events), len(instances))
	}
	for id, position := range acked {
		if at[id+"-b"] != position {
			t.Errorf("%s was acknowledged at position %d and is at %d", id, position, at[id+"-b"])
		}
	}
	if _, err := s.Commit(t.Context(), one("after")); err != nil {
		t.Errorf("commit after the kills: %v", err)
	}
}

// runAndKill runs a child, kills it after so many acknowledgements, and returns all of them.
func runAndKill(t *testing.T, file string, after int) map[string]driver.Position {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+file)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[string]driver.Position{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var position driver.Position
		var id string
		if _, err := fmt.Sscan(lines.Text(), &position, &id); err != nil {
			t.Fatalf("the child printed %q", lines.Text())
		}
		acked[id] = position
		if len(acked) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Errorf("the child was not killed: %v", err)
	}
	return acked
}
