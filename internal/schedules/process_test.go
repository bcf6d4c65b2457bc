package schedules_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// process is a child that serves.
type process struct {
	*outside
	dir    string
	env    []string
	child  *daemon.Daemon
	starts int
	log    string // of the last start
	url    string // of webhooks and POST /charge
	admin  string
}

// newReality is an outside on the real clock.
func newReality(t *testing.T) *outside { return newOutside(t, chargetest.Options{}, nil) }

// settings of a process that plays all roles. Later ones replace earlier ones of the same name.
func (w *outside) settings(at place, more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TMPDIR=" + os.TempDir(),
		"HOOKSAGA_LISTEN=127.0.0.1:0", "HOOKSAGA_ADMIN_LISTEN=127.0.0.1:0", "HOOKSAGA_STORE=" + at.setting(),
		"STRIPE_API_BASE=" + w.stripe.URL, "STRIPE_KEY=" + stripeKey, "STRIPE_WEBHOOK_SECRET=" + stripeSecret,
		"ORDERS_WEBHOOK_SECRET=" + ordersSecret, "HOOKSAGA_CALLBACK_URL=" + w.shop.URL, "HOOKSAGA_CALLBACK_SECRET=" + callbackSecret,
	}, more...)
}

// without takes settings out.
func without(env []string, names ...string) (left []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		keep := true
		for _, n := range names {
			keep = keep && n != name
		}
		if keep {
			left = append(left, v)
		}
	}
	return left
}

// serve starts a process and waits until it takes requests. It is stopped, however it stands, when the test ends.
func (w *outside) serve(env []string) *process {
	w.Helper()
	p := &process{outside: w, dir: w.TempDir(), env: env}
	p.start()
	w.Cleanup(func() {
		p.child.Signal(syscall.SIGCONT)
		if err := p.child.Stop(syscall.SIGTERM, 20*time.Second); err != nil {
			w.Error(err)
		}
		if w.Failed() {
			w.Logf("the log of process %d ends:\n%s", p.child.PID(), daemon.Tail(p.log))
		}
	})
	return p
}

// start runs the program, with a log of its own.
func (p *process) start() {
	p.Helper()
	p.starts++
	p.log = filepath.Join(p.dir, fmt.Sprintf("serve-%d.log", p.starts))
	var err error
	p.child, err = daemon.Start(daemon.Spec{Path: program.path(p.T), Args: []string{"serve"}, Dir: p.dir, Env: p.env, Log: p.log, Orphaned: syscall.SIGKILL})
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := p.child.Await(ctx, p.ready); err != nil {
		p.Fatal(err)
	}
}

// line is one line of a process's log.
type line struct {
	Level, Msg, Listen, Admin, Key, Code string
}

func (p *process) lines() (all []line) {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		p.Fatal(err)
	}
	for text := range bytes.Lines(raw) {
		var l line
		if json.Unmarshal(text, &l) == nil {
			all = append(all, l)
		}
	}
	return all
}

// ready finds out where the process listens, from what it says when it does.
func (p *process) ready(context.Context) error {
	for _, l := range p.lines() {
		if l.Msg == "hooksaga is ready" {
			p.url, p.admin = "http://"+l.Listen, "http://"+l.Admin
			return nil
		}
	}
	return errors.New("not ready")
}

// stop ends the process in order.
func (p *process) stop() {
	p.Helper()
	if err := p.child.Stop(syscall.SIGTERM, 20*time.Second); err != nil {
		p.Fatal(err)
	}
}

// ended is what a run of the program said and returned.
type ended struct {
	code           int
	stdout, stderr string
}

// run runs the program beside a process, with its settings and where it listens.
func (p *process) run(args ...string) ended {
	p.Helper()
	env := append(p.env, "HOOKSAGA_LISTEN="+strings.TrimPrefix(p.url, "http://"), "HOOKSAGA_ADMIN_LISTEN="+strings.TrimPrefix(p.admin, "http://"))
	return p.outside.run(p.dir, env, args...)
}

func (w *outside) run(dir string, env []string, args ...string) (e ended) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program.path(w.T), args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.Fatalf("hooksaga %v: %v", args, err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// get reads from the audit API; false if it says 404.
func (p *process) get(path string, into any) bool {
	p.Helper()
	status, raw := p.read(path)
	if status == http.StatusNotFound {
		return false
	}
	if err := json.Unmarshal([]byte(raw), into); err != nil || status != http.StatusOK {
		p.Fatalf("GET %s: %d %q (%v)", path, status, raw, err)
	}
	return true
}

func (p *process) read(path string) (status int, body string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.admin+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatalf("GET %s: %v", path, err)
	}
	return res.StatusCode, string(raw)
}

// instance waits until an instance has ended so, with all its commands, and returns it.
func (p *process) instance(id, status string) (d console.InstanceDetail) {
	p.Helper()
	p.until(id+" "+status, func() string {
		if !p.get("/v1/sagas/"+id, &d) {
			return "it is not there"
		}
		if d.Instance.Status != status || !d.Instance.Terminal {
			return fmt.Sprintf("it is %s, terminal %v", d.Instance.Status, d.Instance.Terminal)
		}
		return ""
	})
	return d
}

// commands reads the commands of a name.
func (p *process) commands(name string) []console.CommandView {
	p.Helper()
	var page console.CommandPage
	if p.get("/v1/commands?limit=500&name="+name, &page); page.Next != "" {
		p.Fatalf("more than 500 commands %s", name)
	}
	return page.Commands
}

// events reads events as the filter says.
func (p *process) events(filter string) []console.EventView {
	p.Helper()
	var page console.EventPage
	if p.get("/v1/events?limit=500&"+filter, &page); page.Next != "" {
		p.Fatalf("more than 500 events %s", filter)
	}
	return page.Events
}

// metric sums the samples of a metric whose labels contain all of these, such as `step="fenced"`.
func (p *process) metric(name string, labels ...string) (sum float64) {
	p.Helper()
	_, text := p.read("/metrics")
	for sample := range strings.Lines(text) {
		head, value, ok := strings.Cut(strings.TrimSpace(sample), " ")
		if metric, rest, _ := strings.Cut(head, "{"); !ok || metric != name || !containsAll(rest, labels) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			p.Fatalf("metric %q: %v", sample, err)
		}
		sum += v
	}
	return sum
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// jsonl decodes the lines that a reading command printed.
func jsonl[T any](t *testing.T, e ended) (all []T) {
	t.Helper()
	if e.code != 0 {
		t.Fatalf("exit status %d: %s", e.code, e.stderr)
	}
	for dec := json.NewDecoder(strings.NewReader(e.stdout)); dec.More(); {
		var one T
		if err := dec.Decode(&one); err != nil {
			t.Fatalf("%v in %s", err, e.stdout)
		}
		all = append(all, one)
	}
	return all
}
