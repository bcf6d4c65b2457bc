package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The test binary is testenv itself when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("TESTENV_ITSELF") != "" {
		os.Unsetenv("TESTENV_ITSELF")
		main()
	}
	os.Exit(m.Run())
}

func testenv(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(append(os.Environ(), "TESTENV_ITSELF=1"), env...)
	return cmd
}

func TestItReturnsTheCommandsExitCode(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		cmd := testenv(t, nil, "--", "sh", "-c", script)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit %d, want %d\n%s", script, got, want, out)
		}
	}
}

func TestItUsesWhatTheEnvironmentNames(t *testing.T) {
	t.Parallel()
	cmd := testenv(t, []string{"TEST_POSTGRES_URL=postgres://there/db", "TEST_KAFKA_BROKERS=there:9092"},
		"-postgres", "-kafka", "--", "sh", "-c", `echo "$TEST_POSTGRES_URL $TEST_KAFKA_BROKERS"`)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "postgres://there/db there:9092\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestItStartsPostgresForTheCommandAndStopsIt(t *testing.T) {
	t.Parallel()
	tmp := openDir(t)
	cmd := testenv(t, []string{"TEST_POSTGRES_URL=", "TMPDIR=" + tmp}, "-postgres", "--", "sh", "-c", `echo "$TEST_POSTGRES_URL"; exit 3`)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit %d, want 3\n%s", got, &errs)
	}
	if !strings.HasPrefix(out.String(), "postgres://") {
		t.Errorf("the command saw %q", out.String())
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestItStopsServersWhenNobodyReadsItsOutput(t *testing.T) {
	t.Parallel()
	tmp := openDir(t)
	cmd := testenv(t, []string{"TEST_POSTGRES_URL=", "TMPDIR=" + tmp}, "-postgres", "--", "true")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, w
	_ = cmd.Run()
	if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestItPassesSignalsOnToEverythingTheCommandStarted(t *testing.T) {
	t.Parallel()
	cmd := testenv(t, nil, "--", "sh", "-c", `trap 'wait; exit 5' TERM
		sh -c 'trap "echo inner; exit 0" TERM; echo ready; while :; do sleep 0.01; done' &
		wait`)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready\n"))
	if _, err := stdout.Read(ready); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	if _, err := rest.ReadFrom(stdout); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 5 || rest.String() != "inner\n" {
		t.Errorf("exit %d after %q, want 5 after inner", got, rest.String())
	}
}

func TestItNamesBothWaysWhenItCannotInstall(t *testing.T) {
	t.Parallel()
	e := environment{log: &bytes.Buffer{}}
	err := e.install(t.Context(), []need{
		{"no Postgres", "TEST_POSTGRES_URL", []string{"postgresql"}},
		{"no Java", "TEST_KAFKA_BROKERS", []string{"default-jre-headless", "maven"}},
	})
	want := "no Postgres: set TEST_POSTGRES_URL, or install it (Debian: apt-get install postgresql)\n" +
		"no Java: set TEST_KAFKA_BROKERS, or install it (Debian: apt-get install default-jre-headless maven)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestItEndsWithOneWhenThereIsNoServer(t *testing.T) {
	t.Parallel()
	empty := t.TempDir() // no java, no mvn, and no apt-get to bring them
	cmd := testenv(t, []string{"PATH=" + empty, "TEST_KAFKA_BROKERS=", "HOOKSAGA_KAFKA_DIR=" + filepath.Join(empty, "kafka")},
		"-kafka", "--", "sh", "-c", "exit 0")
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit %d, want 1", got)
	}
	if want := "set TEST_KAFKA_BROKERS, or install it (Debian: apt-get install default-jre-headless maven)"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want it to say %q", out, want)
	}
}

func TestItInstallsWhatIsMissingInOneGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	apt := filepath.Join(dir, "apt-get")
	script := "#!/bin/sh\necho \"$DEBIAN_FRONTEND $*\" >> " + calls + "\n"
	if err := os.WriteFile(apt, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	e := environment{log: log, apt: apt}
	err := e.install(t.Context(), []need{{packages: []string{"postgresql"}}, {packages: []string{"maven", "gcc"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(calls)
	want := "noninteractive update -qq\nnoninteractive install -qq --yes --no-install-recommends gcc maven postgresql\n"
	if err != nil || string(got) != want {
		t.Errorf("apt-get was called with %q, %v, want %q", got, err, want)
	}
	if !strings.Contains(log.String(), "installing with apt-get: gcc maven postgresql") {
		t.Errorf("it did not say so first: %q", log)
	}
}

// openDir is a temporary directory that every account may enter: Postgres does not run as root.
func openDir(t *testing.T) string {
	t.Helper()
	tmp := t.TempDir()
	for _, dir := range []string{tmp, filepath.Dir(tmp)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return tmp
}
