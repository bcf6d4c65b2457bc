package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

func TestBodiesAreWhatStripeSigns(t *testing.T) {
	t.Parallel()
	b := newBodies("T1")
	seen := map[string]bool{}
	for _, n := range []int{0, 1, 49_999, 50_000, 123_456_789} {
		body := b.body(n)
		if len(body) != bodySize || !json.Valid(body) {
			t.Fatalf("%d: %d bytes, JSON: %v", n, len(body), json.Valid(body))
		}
		e, err := webhook.ConstructEvent(body, sign(body, time.Now()), secret)
		if err != nil {
			t.Fatal(err)
		}
		stored := b.event(n)
		if e.ID != stored.ID || seen[e.ID] {
			t.Errorf("%d: the body's id is %s, the event's %s, seen before: %v", n, e.ID, stored.ID, seen[e.ID])
		}
		if !bytes.Equal(e.Data.Raw, stored.Payload()) {
			t.Errorf("%d: the object is %s, the event's %s", n, e.Data.Raw, stored.Payload())
		}
		seen[e.ID] = true
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	b := &bench{progress: io.Discard}
	b.add("a", "x", []float64{8, 90, 10}, []float64{1, 10, 1}, "b", ratioAtLeast(9))   // ratios 8, 9, 10
	b.add("a", "x", []float64{8, 90, 10}, []float64{1, 10, 1}, "b", ratioAtLeast(9.1)) //
	b.add("a", "ms", []float64{1, 2, 30}, []float64{1, 1, 10}, "b", ratioAtMost(2))    // ratios 1, 2, 3
	b.add("a", "ms", []float64{1, 2, 30}, nil, "", atMost(2))                          // median 2
	b.add("a", "x", []float64{4, 6}, nil, "", atLeast(5.5))                            // median 5
	b.add("a", "x", []float64{4, 6}, nil, "", goal{})
	var got []string
	for _, r := range b.rows {
		got = append(got, r.verdict())
	}
	if want := "ok MISSES ok ok MISSES -"; strings.Join(got, " ") != want || !b.missed() {
		t.Errorf("%s, missed %v; want %s", got, b.missed(), want)
	}
	var out bytes.Buffer
	b.print(&out)
	if n := strings.Count(out.String(), "MISSES"); n != 2 {
		t.Errorf("the table shows %d misses:\n%s", n, &out)
	}
}

func TestUnknownSectionsAndArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-only", "nothing"}, {"-rounds", "0"}, {"-for", "-1s"}, {"more"}} {
		if code := run(args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

// The parts that are processes of their own in a run, in this one: a server that verifies and the load on it.
func TestTheLoadIsAnswered(t *testing.T) {
	t.Parallel()
	server := play(t, serve, "-what", verifying)
	addr, err := server.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := load(t.Context(), []string{"-addr", strings.TrimSpace(addr), "-for", "200ms", "-ids", "T2"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	var l loaded
	if err := json.Unmarshal(out.Bytes(), &l); err != nil || l.Rate <= 0 || l.P50 <= 0 || l.P99 < l.P50 {
		t.Errorf("%s: %v", &out, err)
	}
	server.end()
}

// What is not 200 ends a load: a fast refusal is no throughput.
func TestARefusalEndsTheLoad(t *testing.T) {
	t.Parallel()
	for _, response := range []string{"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", ""} {
		if err := answer(bufio.NewReader(strings.NewReader(response))); err == nil {
			t.Errorf("%q was taken for an answer", response)
		}
	}
	in := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 3\r\n\r\nabcHTTP"))
	if err := answer(in); err != nil {
		t.Error(err)
	}
	if rest, _ := io.ReadAll(in); string(rest) != "HTTP" {
		t.Errorf("left %q", rest)
	}
}

// played is a part on goroutines of this process.
type played struct {
	t    *testing.T
	in   *io.PipeWriter
	out  *bufio.Reader
	done chan error
}

func play(t *testing.T, p part, args ...string) *played {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	running := &played{t: t, in: in, out: bufio.NewReader(out), done: make(chan error, 1)}
	go func() { running.done <- p(t.Context(), args, stdin, stdout) }()
	return running
}

// end closes the part's standard input and waits for it.
func (p *played) end() {
	p.t.Helper()
	_ = p.in.Close()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Error(err)
		}
	case <-time.After(time.Minute):
		p.t.Error("the part goes on without a standard input")
	}
}
