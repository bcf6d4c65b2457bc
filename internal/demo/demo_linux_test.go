package demo_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A demo that is killed has no chance to end its program: the kernel does.
func TestKilledItLeavesNoProcess(t *testing.T) {
	t.Parallel()
	out := newOutput("starts on the same store")
	cmd := exec.CommandContext(t.Context(), program(), "demo")
	cmd.Stdout, cmd.Env = out, append(os.Environ(), "TMPDIR="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("ended before it was killed: %v\n%s", err, out)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range pids(out.String()) {
		for runs(pid) {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				t.Fatalf("pid %d outlives the demo", pid)
			}
		}
	}
}

// runs reports whether a process is there, other than as an entry that nobody has waited for.
func runs(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(after, "Z")
}
