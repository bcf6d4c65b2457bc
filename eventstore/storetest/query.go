package storetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// queryTests: what Read selects. The answers are compared with those of a few lines of Go over all events.
func queryTests() []testCase {
	return []testCase{
		rule("each filter selects what it says", eachFilter),
		rule("a provider is more than a prefix", providerPrefix),
		rule("a type's prefix is taken literally", typePrefix),
		rule("combined filters select what every one does", combinedFilters),
		rule("pages follow each other without gaps, in both directions", pages),
		rule("a query without a limit returns 1,000", readLimit),
	}
}

// selects is the model: whether q, but for its limit and order, selects e.
func selects(q driver.Query, e driver.Event) bool {
	prefix, isPrefix := strings.CutSuffix(q.Type, "*")
	switch {
	case e.Position <= q.After, q.Until != 0 && e.Position > q.Until:
	case q.Type != "" && !isPrefix && e.Type != q.Type, isPrefix && !strings.HasPrefix(e.Type, prefix):
	case q.Source != "" && e.Source != q.Source && e.Provider() != q.Source:
	case q.Stream != "" && (e.Stream != q.Stream || e.Version <= q.AfterVersion):
	case q.Subject != "" && e.Subject != q.Subject:
	case q.CorrelationID != "" && e.CorrelationID != q.CorrelationID:
	case q.CausationID != "" && e.CausationID != q.CausationID:
	case !q.Since.IsZero() && e.Recorded.Before(q.Since), !q.Before.IsZero() && !e.Recorded.Before(q.Before):
	default:
		return true
	}
	return false
}

// model answers q from all events.
func model(q driver.Query, all []driver.Event) (want []driver.Event) {
	all = slices.Clone(all)
	if q.Desc {
		slices.Reverse(all)
	}
	for _, e := range all {
		if selects(q, e) && (q.Limit == 0 || len(want) < q.Limit) {
			want = append(want, e)
		}
	}
	return want
}

func (f *fixture) query(t *testing.T, q driver.Query, all []driver.Event) []driver.Event {
	t.Helper()
	got := get(f.Read(t.Context(), q))(t)
	want := model(q, all)
	if !slices.Equal(ids(got), ids(want)) {
		t.Fatalf("%+v\nselected %v\nwant     %v", q, ids(got), ids(want))
	}
	same(t, "events", got, want)
	return got
}

// seedEvents stores 24 events of a few values in every field, each commit at a time of its own.
func seedEvents(t *testing.T, f *fixture) []driver.Event {
	t.Helper()
	sources := []string{"stripe/acct_1/test", "stripe/acct_2/test", "stripex", "stripe", "orders", driver.Self}
	types := []string{"invoice.paid", "invoice.payment_failed", "invoice", "customer.created", "invoicing.done"}
	var last time.Time
	for i := range 24 {
		e := event("e" + number(i))
		e.Source, e.Type = sources[i%len(sources)], types[i%len(types)]
		e.Subject = []string{"cus_1", "cus_2", ""}[i%3]
		e.Stream = []string{"stripe/cus_1", "stripe/cus_2"}[i/3%2]
		e.CorrelationID, e.CausationID = []string{"c1", "c2"}[i%2], []string{"", "e1", "e2", "e1"}[i%4]
		last = later(t, f.ok(t, batch(e)).Recorded, last)
	}
	return f.all(t)
}

func eachFilter(t *testing.T, f *fixture) {
	all := seedEvents(t, f)
	for _, q := range []driver.Query{
		{}, {After: 5}, {After: 24}, {After: 99}, {Until: 3}, {Until: 99}, {After: 3, Until: 3}, {After: 3, Until: 7}, {After: 7, Until: 3},
		{Limit: 4}, {Limit: 99},
		{Desc: true}, {Desc: true, Limit: 3}, {Desc: true, After: 20}, {Desc: true, Until: 5}, {Desc: true, After: 3, Until: 9, Limit: 2},
		{Type: "invoice.paid"}, {Type: "invoice"}, {Type: "invoice*"}, {Type: "invoice.*"}, {Type: "*"}, {Type: "nothing"}, {Type: "nothing.*"},
		{Source: "orders"}, {Source: "stripe/acct_1/test"}, {Source: "stripe"}, {Source: "stripe/acct_1"}, {Source: driver.Self}, {Source: "str"},
		{Stream: "stripe/cus_1"}, {Stream: "stripe/cus_1", AfterVersion: 4}, {Stream: "stripe/cus_1", AfterVersion: 99}, {Stream: "stripe"},
		{Stream: "stripe/cus_2", AfterVersion: 2, Limit: 3, Desc: true}, {Stream: "stripe/cus_1", After: 7, Until: 20},
		{Subject: "cus_1"}, {Subject: "cus"}, {CorrelationID: "c2"}, {CorrelationID: "c"}, {CausationID: "e1"}, {CausationID: "e9"},
	} {
		f.query(t, q, all)
	}
	for _, i := range []int{0, 1, 11, 23} {
		at := all[i].Recorded
		for _, q := range []driver.Query{
			{Since: at}, {Before: at}, {Since: at.Add(1)}, {Before: at.Add(1)}, {Since: at, Before: at}, {Since: at, Before: at.Add(time.Microsecond)},
			{Since: at.Add(-time.Hour)}, {Since: at.Add(time.Hour)}, {Before: at.Add(-time.Hour)}, {Before: at.Add(time.Hour)},
			{Since: at.In(time.FixedZone("x", 7200)), Desc: true},
		} {
			f.query(t, q, all)
		}
	}
}

func providerPrefix(t *testing.T, f *fixture) {
	for _, source := range []string{"stripe", "stripe/acct_1/test", "stripe/", "stripex", "stripe.", "stripe0", "Stripe", "stripe-x/acct_1", "strip"} {
		e := event("of " + source)
		e.Source = source
		f.ok(t, batch(e))
	}
	got := get(f.Read(t.Context(), driver.Query{Source: "stripe"}))(t)
	same(t, "events of stripe", ids(got), []string{"of stripe", "of stripe/acct_1/test", "of stripe/"})
	got = get(f.Read(t.Context(), driver.Query{Source: "stripe/acct_1/test"}))(t)
	same(t, "events of one account", ids(got), []string{"of stripe/acct_1/test"})
}

func typePrefix(t *testing.T, f *fixture) {
	for _, typ := range []string{"a.b", "a_b", "axb", "a.b.c", "a%b", "A.b", "a", "a.", "a?b", "a[b", "a\\b", "ä.b", "a.ü", "a*b"} {
		e := event("of " + typ)
		e.Type = typ
		f.ok(t, batch(e))
	}
	all := f.all(t)
	for _, pattern := range []string{"a.*", "a_*", "a%*", "A*", "a?*", "a[*", "a\\*", "ä*", "a.ü*", "a**", "a.b", "a_b", "a%b"} {
		f.query(t, driver.Query{Type: pattern}, all)
	}
}

// combinedFilters asks some hundreds of random questions, the same in every run.
func combinedFilters(t *testing.T, f *fixture) {
	all := seedEvents(t, f)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string {
		if random.IntN(3) > 0 {
			return ""
		}
		return of[random.IntN(len(of))]
	}
	hits := 0
	for range 400 {
		q := driver.Query{
			Type: pick("invoice.*", "invoice", "invoice.paid", "customer.*"), Source: pick("stripe", "stripe/acct_1/test", "orders", "hooksaga"),
			Stream: pick("stripe/cus_1", "stripe/cus_2"), Subject: pick("cus_1", "cus_2"), CorrelationID: pick("c1", "c2"), CausationID: pick("e1", "e2"),
			Desc: random.IntN(2) == 0, Limit: random.IntN(6),
		}
		if random.IntN(2) == 0 {
			q.After = driver.Position(random.IntN(20))
		}
		if random.IntN(3) == 0 {
			q.Until = driver.Position(random.IntN(26))
		}
		if q.Stream != "" {
			q.AfterVersion = int64(random.IntN(5))
		}
		if random.IntN(4) == 0 {
			q.Since = all[random.IntN(len(all))].Recorded
		}
		if random.IntN(4) == 0 {
			q.Before = all[random.IntN(len(all))].Recorded
		}
		hits += len(f.query(t, q, all))
	}
	if hits < 200 {
		t.Errorf("only %d events selected in all: the test does not test", hits)
	}
}

func pages(t *testing.T, f *fixture) {
	all := seedEvents(t, f)
	var up, down []driver.Event
	for after := driver.Position(0); ; after = up[len(up)-1].Position {
		page := get(f.Read(t.Context(), driver.Query{Source: "stripe", After: after, Limit: 3}))(t)
		if up = append(up, page...); len(page) < 3 {
			break
		}
	}
	for until := driver.Position(24); until > 0; {
		page := get(f.Read(t.Context(), driver.Query{Source: "stripe", Until: until, Limit: 3, Desc: true}))(t)
		if down = append(down, page...); len(page) < 3 {
			break
		}
		until = page[2].Position - 1
	}
	want := ids(model(driver.Query{Source: "stripe"}, all))
	same(t, "pages upwards", ids(up), want)
	slices.Reverse(want)
	same(t, "pages downwards", ids(down), want)
}

func readLimit(t *testing.T, f *fixture) {
	var b driver.Batch
	for i := range 1001 {
		b.Events = append(b.Events, batch(event(number(i))).Events...)
	}
	f.ok(t, b)
	var known []driver.EventID
	for _, a := range b.Events {
		known = append(known, driver.EventID{Source: a.Event.Source, ID: a.Event.ID})
	}
	if n := len(get(f.ByID(t.Context(), known))(t)); n != 1001 {
		t.Errorf("%d events by 1,001 ids", n)
	}
	got := get(f.Read(t.Context(), driver.Query{}))(t)
	if len(got) != 1000 || got[999].Position != 1000 {
		t.Errorf("a query without a limit returned %d events of 1,001", len(got))
	}
	if rest := get(f.Read(t.Context(), driver.Query{After: 1000}))(t); len(rest) != 1 {
		t.Errorf("after position 1,000 come %d events, want 1", len(rest))
	}
}
