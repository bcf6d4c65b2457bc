package pgstore_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// node is one node of an executed plan, as EXPLAIN (ANALYZE, FORMAT JSON) shows it. Rows are those of one loop.
type node struct {
	Type      string  `json:"Node Type"`
	Relation  string  `json:"Relation Name"`
	Index     string  `json:"Index Name"`
	Cond      string  `json:"Index Cond"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Plans     []node  `json:"Plans"`
}

// executed is a statement that was executed, by a client or inside a function, and how.
type executed struct {
	Text string `json:"Query Text"`
	Plan node   `json:"Plan"`
}

// walk calls see for a node and everything below it.
func (n node) walk(see func(node)) {
	see(n)
	for _, below := range n.Plans {
		below.walk(see)
	}
}

// looked is how many rows and index entries the statement looked at, in tables and their indexes.
func (e executed) looked() (rows int) {
	e.Plan.walk(func(n node) {
		if n.Relation != "" || n.Index != "" {
			rows += int((n.Rows + n.Filtered + n.Rechecked) * n.Loops)
		}
	})
	return rows
}

var partition = regexp.MustCompile(`^events_\d+$`)

// whole names the tables that the statement read as a whole.
func (e executed) whole() (tables []string) {
	e.Plan.walk(func(n node) {
		if n.Type == "Seq Scan" {
			tables = append(tables, partition.ReplaceAllString(n.Relation, "events"))
		}
	})
	return tables
}

// explainer stands between a store and its server, and keeps the plans that auto_explain reports to the client: those of
// the very statements that the store sends, with their arguments, and of those inside functions.
type explainer struct {
	server string // host:port
	mu     sync.Mutex
	seen   []executed
	bad    []error
}

// explained returns the URL under which the database at raw reports plans. The user has to be a superuser.
func explained(t testing.TB, raw string) (string, *explainer) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &explainer{}
	var open sync.WaitGroup
	through := with(t, raw, func(u *url.URL, q url.Values) {
		x.server, u.Host = u.Host, listener.Addr().String()
		q.Set("sslmode", "disable") // it reads along
		q.Set("session_preload_libraries", "auto_explain")
		q.Set("client_min_messages", "log")
		for name, value := range map[string]string{"log_min_duration": "0", "log_analyze": "on", "log_timing": "off",
			"log_nested_statements": "on", "log_format": "json"} {
			q.Set("auto_explain."+name, value)
		}
	})
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { x.relay(client) })
		}
	})
	t.Cleanup(func() { // after the store is closed, as that was opened later
		_ = listener.Close()
		open.Wait()
		for _, err := range x.bad {
			t.Error(err)
		}
	})
	return through, x
}

// relay passes on what both sides say until one of them hangs up.
func (x *explainer) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", x.server)
	if err != nil {
		x.note(executed{}, err)
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	defer server.Close()
	in, out := bufio.NewReader(server), bufio.NewWriter(client)
	for {
		var header [5]byte // type and length, which counts itself
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if header[0] == 'N' && x.plan(body) {
			continue
		}
		_, _ = out.Write(header[:])
		_, _ = out.Write(body)
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return
			}
		}
	}
}

// plan keeps the plan in a notice, and reports whether there is one. Fields are a letter and text that ends in NUL
// (PostgreSQL's documentation, "Message Formats", NoticeResponse).
func (x *explainer) plan(notice []byte) bool {
	for field := range bytes.SplitSeq(notice, []byte{0}) {
		text := string(field)
		if _, plan, ok := strings.Cut(text, "plan:\n"); ok && text[0] == 'M' {
			var e executed
			err := json.Unmarshal([]byte(plan), &e)
			x.note(e, err)
			return true
		}
	}
	return false
}

func (x *explainer) note(e executed, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.bad = append(x.bad, err)
	} else if e.Text != "" {
		x.seen = append(x.seen, e)
	}
}

// take returns what was executed since it was last called.
func (x *explainer) take() []executed {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := x.seen
	x.seen = nil
	return seen
}
