package storetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// byteTests: what goes in comes out.
func byteTests() []testCase {
	return []testCase{
		rule("bodies come back byte for byte", exactBodies),
		rule("every field of an event comes back", exactFields),
		rule("names may hold any text", anyText),
		rule("the typed span comes back", typedSpan),
		rule("times come back to the microsecond, also none", exactTimes),
		rule("what is not text is refused, alone", badData),
	}
}

func exactBodies(t *testing.T, f *fixture) {
	big := make([]byte, 1<<20)
	noise := rand.NewChaCha8([32]byte{1})
	_, _ = noise.Read(big)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	bodies := map[string][]byte{
		"empty": {}, "NUL": {0}, "NULs inside": []byte("{\"a\":\"\x00\x00\"}"), "duplicate keys": []byte(`{"a":1,"a":2}`),
		"invalid UTF-8": {'"', 0xff, 0xfe, 0xc3, 0x28, '"'}, "trailing newline": []byte("{}\n"), "white space": []byte(" {\r\n\t } "),
		"not JSON": []byte("a=1&b=2"), "every byte": every, "1 MiB": big, "escapes": []byte(`\x00\\'"` + "\\u0000"),
		"looks like hex": []byte(`\x6869`), "numbers": []byte(`{"n":1.0e2,"m":12345678901234567890}`), "a byte order mark": []byte("\ufeff{}"),
	}
	for name, body := range bodies {
		e := event(name)
		e.Body = body
		f.ok(t, batch(e))
	}
	for name, body := range bodies {
		got := get(f.ByID(t.Context(), []driver.EventID{{Source: "shop", ID: name}}))(t)
		if len(got) != 1 || !bytes.Equal(got[0].Body, body) || got[0].Body == nil {
			t.Errorf("%s: body came back changed", name)
		}
	}
	for _, e := range f.all(t) {
		if !bytes.Equal(e.Body, bodies[e.ID]) {
			t.Errorf("%s: body was read changed", e.ID)
		}
	}
}

func exactFields(t *testing.T, f *fixture) {
	full := driver.Event{ID: "evt_1", Source: "stripe/acct_1/test", Type: "invoice.paid", Subject: "cus_123", Stream: "stripe/cus_123",
		Time: happened(), CorrelationID: "corr", CausationID: "cause", To: "order-payment/o_1", Body: []byte(`{"data":{"object":{}}}`),
		Typed: driver.Span{From: 18, To: 20}}
	bare := driver.Event{ID: "evt_2", Source: "x", Type: "y", Stream: "z", Body: []byte{}}
	v := f.ok(t, batch(full, bare))
	want := []driver.Event{full, bare}
	for i := range want {
		want[i].Position, want[i].Version, want[i].Recorded = driver.Position(i+1), 1, v.Recorded
	}
	same(t, "events read", f.all(t), want)
	same(t, "event by id", get(f.ByID(t.Context(), []driver.EventID{{Source: "x", ID: "evt_2"}}))(t), want[1:])
}

// anyText stores names that a hand-made encoding would trip over.
func anyText(t *testing.T, f *fixture) {
	for _, s := range []string{"Grüße ☃ 𝄞", `a"b'c\d`, "{a,b}", "NULL", "null", "%_*?[", "a,b", " leading", "trailing ", "tab\tline\nreturn\r",
		"$1 ?1 :name", "'; drop table events; --", "\u007f\u0080\ufffd\ufffe", strings.Repeat("k", 512)} {
		e := driver.Event{ID: s, Source: s, Type: s, Subject: s, Stream: s, CorrelationID: s, CausationID: s, To: s, Body: []byte(s)}
		b := batch(e)
		n := instance("any-text", s)
		n.Status, n.Phase, n.CorrelationID = s, s, s
		b.Instances = []driver.InstanceChange{{Instance: n}}
		q := queued("guard"+s, "any-text/"+s, 1)
		q.Reason, q.Error = s, s
		b.Queue = []driver.QueueChange{{Op: driver.QueueAdd, Input: q}}
		c := command(s)
		c.Name, c.Outcome, c.LastErr, c.CorrelationID, c.CausationID, c.Subject = s, s, s, s, s, s
		b.Commands = []driver.CommandChange{{Command: c}}
		b.Askers = []driver.Asker{{Command: s, Instance: s, Cause: s, CorrelationID: s, State: s}}
		v := f.ok(t, b)

		e.Position, e.Version, e.Recorded = v.Places[0].Position, 1, v.Recorded
		ctx := t.Context()
		same(t, "event "+s, get(f.Read(ctx, driver.Query{Stream: s, Subject: s, CorrelationID: s, CausationID: s}))(t), []driver.Event{e})
		n.Revision, n.Created, n.Updated, n.PhaseSince = 1, v.Recorded, v.Recorded, v.Recorded
		same(t, "instance "+s, get(f.Instances(ctx, []string{n.ID}))(t), []driver.Instance{n})
		q.Since = v.Recorded
		same(t, "queue "+s, get(f.Queue(ctx, driver.QueueQuery{Guard: q.Guard}))(t), []driver.Queued{q})
		c.Revision, c.Created, c.Updated, c.Due = 1, v.Recorded, v.Recorded, v.Recorded
		same(t, "command "+s, get(f.Commands(ctx, []string{s}))(t), []driver.Command{c})
		same(t, "askers "+s, get(f.Askers(ctx, []string{s}))(t), b.Askers)
	}
}

func typedSpan(t *testing.T, f *fixture) {
	spans := []driver.Span{{}, {From: 0, To: 2}, {From: 3, To: 3}, {From: 2, To: 10}}
	for i, span := range spans {
		e := event(string(rune('a' + i)))
		e.Body, e.Typed = []byte("0123456789"), span
		f.ok(t, batch(e))
	}
	for i, want := range []string{"0123456789", "01", "", "23456789"} {
		e := f.all(t)[i]
		if e.Typed != spans[i] || string(e.Payload()) != want {
			t.Errorf("span %v came back as %v with payload %q", spans[i], e.Typed, e.Payload())
		}
	}
}

func exactTimes(t *testing.T, f *fixture) {
	times := []time.Time{{}, happened(), time.Unix(0, 0), time.UnixMicro(-1), time.UnixMicro(1), time.UnixMicro(1_700_000_000_123_456),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2001, 2, 3, 4, 5, 6, 7000, time.FixedZone("x", 5*3600+1800)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}
	for i, at := range times {
		e := event(string(rune('a' + i)))
		e.Time = at
		f.ok(t, batch(e))
	}
	for i, e := range f.all(t) {
		if !e.Time.Equal(times[i]) || e.Time.IsZero() != times[i].IsZero() {
			t.Errorf("time %v came back as %v", times[i], e.Time)
		}
		if !e.Recorded.Equal(e.Recorded.Truncate(time.Microsecond)) || e.Recorded.IsZero() {
			t.Errorf("recorded is %v, want whole microseconds", e.Recorded)
		}
	}
	due := time.UnixMicro(1_700_000_000_123_457)
	f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Timer: timer("t", due)}}})
	timers, _, err := f.DueTimers(t.Context(), 1)
	if got := get(timers, err)(t); len(got) != 1 || !got[0].Due.Equal(due) {
		t.Errorf("a timer due at %v came back as %v", due, got)
	}
}

// badData has one bad batch fail a commit, which says so, and leaves its neighbours to be committed alone.
func badData(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a")))
	before := f.snapshot(t)
	bad := map[string]func(*driver.Batch){
		"a NUL in a subject":           func(b *driver.Batch) { b.Events[0].Event.Subject = "a\x00b" },
		"invalid UTF-8 in an id":       func(b *driver.Batch) { b.Events[1].Event.ID = "a\xffb" },
		"a stream's name of 1 MiB":     func(b *driver.Batch) { b.Events[1].Event.Stream = strings.Repeat("long", 1<<18) },
		"a NUL in an error":            func(b *driver.Batch) { b.Queue[0].Input.Error = "panic: \x00" },
		"invalid UTF-8 in an error":    func(b *driver.Batch) { b.Commands[0].Command.LastErr = "\xc3\x28" },
		"invalid UTF-8 in a timer":     func(b *driver.Batch) { b.Timers[0].Timer.Name = "\xff" },
		"a NUL in an instance's key":   func(b *driver.Batch) { b.Instances[0].Instance.Key = "\x00" },
		"a NUL in an asker's cause":    func(b *driver.Batch) { b.Askers[0].Cause = "\x00" },
		"a NUL in an activated saga":   func(b *driver.Batch) { b.Activate = "\x00" },
		"invalid UTF-8 in a causation": func(b *driver.Batch) { b.Events[0].Event.CausationID = "\xed\xa0\x80" },
	}
	for name, spoil := range bad {
		b := everything("loser")
		spoil(&b)
		if _, err := f.Commit(t.Context(), []driver.Batch{everything("good"), b}); !errors.Is(err, driver.ErrBadData) {
			t.Errorf("%s: error is %v, want ErrBadData", name, err)
		}
		same(t, name+": the store", f.snapshot(t), before)
	}
	f.ok(t, everything("good"))
}
