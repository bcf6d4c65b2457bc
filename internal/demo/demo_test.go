package demo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/demo"
)

// program is the path of the hooksaga that the tests demonstrate; TestMain builds it before the first of them.
func program() string { return filepath.Join(os.Getenv(built), "hooksaga") }

// built is the environment variable that tells the tests where TestMain has put the program.
const built = "HOOKSAGA_DEMO_TEST_BUILT"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "hooksaga"), "github.com/hooksaga/hooksaga/cmd/hooksaga")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(built, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// The whole demo, as people run it.
func TestEveryCheckHolds(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program(), "demo")
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "STRIPE_KEY=sk_live_not_for_the_demo", "HOOKSAGA_STORE=postgres://nowhere")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &stderr)
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if last := lines[len(lines)-1]; last != "demo: 6 of 6 checks held" {
		t.Errorf("the last line is %q", last)
	}
	next := 1
	for _, l := range lines {
		if strings.HasPrefix(l, "ok "+strconv.Itoa(next)+" ") {
			next++
		}
		if n := utf8.RuneCountInString(l); n > 100 {
			t.Errorf("%d columns: %s", n, l)
		}
		if strings.Contains(l, "\x1b") {
			t.Errorf("colour where nobody sees it: %q", l)
		}
	}
	if next != 7 {
		t.Errorf("there is no line ok %d in\n%s", next, &out)
	}
	if pids := pids(out.String()); len(pids) != 2 || pids[0] == pids[1] {
		t.Errorf("the processes were %v, want two", pids)
	}
	nothingLeft(t, temp, out.String())
}

// pids are the processes that the demo has named, each once.
func pids(out string) (found []int) {
	seen := map[int]bool{}
	for _, m := range regexp.MustCompile(`serve, pid (\d+)`).FindAllStringSubmatch(out, -1) {
		pid, err := strconv.Atoi(m[1])
		if err == nil && !seen[pid] {
			seen[pid] = true
			found = append(found, pid)
		}
	}
	return found
}

// nothingLeft wants an empty directory, and none of the demo's processes.
func nothingLeft(t *testing.T, temp, out string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		t.Errorf("left behind: %s", l.Name())
	}
	for _, pid := range pids(out) {
		if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("left running: pid %d", pid)
		}
	}
}

// output is a buffer, and whoever waits for a text in it.
type output struct {
	mu    sync.Mutex
	all   bytes.Buffer
	until string
	seen  chan struct{}
}

func newOutput(until string) *output { return &output{until: until, seen: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := strings.Contains(o.all.String(), o.until)
	o.all.Write(b)
	if !before && strings.Contains(o.all.String(), o.until) {
		close(o.seen)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// Whoever interrupts the demo while the second process waits for the first one's lease is left with nothing.
func TestInterruptedItLeavesNothing(t *testing.T) {
	t.Parallel()
	out, temp := newOutput("starts on the same store"), t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Options{Executable: program(), Stdout: out, TempDir: temp, Only: []int{5}})
	}()
	select {
	case <-out.seen:
	case err := <-ended:
		t.Fatalf("ended before it was interrupted: %v\n%s", err, out)
	}
	interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) || cli.ExitCode(err) != cli.ExitError {
		t.Errorf("got %v", err)
	}
	if strings.Contains(out.String(), "checks held") {
		t.Errorf("a demo that was interrupted says how it ended:\n%s", out)
	}
	if n := len(pids(out.String())); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	nothingLeft(t, temp, out.String())
}

func TestAProgramThatDoesNotStartFailsItsCheck(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	temp := t.TempDir()
	err := demo.Run(t.Context(), demo.Options{Executable: filepath.Join(temp, "nothing"), Stdout: &out, Stderr: &stderr, TempDir: temp, Only: []int{1}})
	want(t, &out, err, 1, "start hooksaga serve: ")
	nothingLeft(t, temp, out.String())
	err = demo.Run(t.Context(), demo.Options{Executable: "/bin/false", Stdout: &out, Stderr: &stderr, TempDir: temp, Only: []int{1}})
	want(t, &out, err, 1, "it ended: exit status 1")
	nothingLeft(t, temp, out.String())
}

// want wants a demo of one check to have failed.
func want(t *testing.T, out fmt.Stringer, err error, check int, because string) {
	t.Helper()
	failed, is := errors.AsType[*demo.Failed](err)
	if !is || failed.Held != 0 || failed.Of != 1 || cli.ExitCode(err) != 1 {
		t.Errorf("got error %v, exit code %d", err, cli.ExitCode(err))
	}
	all := strings.TrimRight(out.String(), "\n")
	if !strings.HasSuffix(all, "\ndemo: 0 of 1 checks held") {
		t.Errorf("the last line is not what it should be")
	}
	for l := range strings.Lines(all) {
		if strings.HasPrefix(l, fmt.Sprintf("not ok %d ", check)) && strings.Contains(l, because) {
			return
		}
	}
	t.Errorf("no line says not ok %d because %q:\n%s", check, because, all)
}
