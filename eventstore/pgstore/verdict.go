package pgstore

import (
	sqldriver "database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// result is what hooksaga_commit returns.
type result struct {
	head     int64 // after
	recorded time.Time
	versions []int64 // of each stream, after
	known    []known
	lost     []lost
}

// known is an event that was stored before: which of the call's, from 1, and where it lies.
type known struct{ ord, position, version int64 }

// lost is why a batch, from 1, was not stored. The first of a batch counts.
type lost struct {
	batch   int64
	code    driver.Code
	subject string
	actual  int64
}

// scan parses up to three lines: numbers, what was known, what was lost.
func (r *result) scan(s string) error {
	numbers, rest, dropping := strings.Cut(s, "\n")
	n, err := integers(numbers)
	if err != nil {
		return err
	}
	if len(n) < 2 {
		return fmt.Errorf("the function returned %q", s)
	}
	r.head, r.recorded, r.versions = n[0], time.UnixMicro(n[1]).UTC(), n[2:]
	if !dropping {
		return nil
	}
	known, lost, _ := strings.Cut(rest, "\n")
	if err := r.scanKnown(known); err != nil {
		return err
	}
	return r.scanLost(lost)
}

func text(v sqldriver.Value) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case string:
		return v
	default:
		return ""
	}
}

// integers parses Postgres' text form of an array of integers: {1,2,3}.
func integers(s string) ([]int64, error) {
	s = strings.Trim(s, "{}")
	if s == "" {
		return nil, nil
	}
	out := make([]int64, 0, 1+strings.Count(s, ","))
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (r *result) scanKnown(s string) error {
	if s == "" {
		return nil
	}
	var c [3][]int64 // ord, position, version
	if err := json.Unmarshal([]byte(s), &c); err != nil {
		return err
	}
	for i := range c[0] {
		r.known = append(r.known, known{c[0][i], c[1][i], c[2][i]})
	}
	return nil
}

func (r *result) scanLost(s string) error {
	if s == "" {
		return nil
	}
	var (
		batches, actuals []int64
		codes            []int
		subjects         []string
	)
	var columns [4]json.RawMessage
	if err := json.Unmarshal([]byte(s), &columns); err != nil {
		return err
	}
	for i, into := range [...]any{&batches, &codes, &subjects, &actuals} {
		if err := json.Unmarshal(columns[i], into); err != nil {
			return err
		}
	}
	for i := range batches {
		r.lost = append(r.lost, lost{batches[i], driver.Code(codes[i]), subjects[i], actuals[i]})
	}
	return nil
}

// verdicts numbers the events as the function did: those of committed batches that were not known. It goes from the last
// to the first, as what is known are the last position and versions.
func (c *encoder) verdicts(batches []driver.Batch, r result) ([]driver.Verdict, error) {
	out := make([]driver.Verdict, len(batches))
	for _, l := range r.lost {
		if l.batch < 1 || l.batch > int64(len(out)) {
			return nil, fmt.Errorf("verdict on batch %d of %d", l.batch, len(out))
		}
		if v := &out[l.batch-1]; v.Code == driver.Committed {
			v.Code, v.Subject = l.code, l.subject
			if l.code == driver.WrongVersion {
				v.Actual = l.actual
			}
		}
	}
	places := make([]driver.Place, len(c.numbers))
	for _, k := range r.known {
		places[k.ord-1] = driver.Place{Position: driver.Position(k.position), Version: k.version, Known: true}
	}
	if len(r.versions) != len(c.counts) {
		return nil, fmt.Errorf("versions of %d streams for %d", len(r.versions), len(c.counts))
	}
	at, position := len(places), r.head
	for i := len(batches) - 1; i >= 0; i-- {
		v, n := &out[i], len(batches[i].Events)
		at -= n
		mine := places[at : at+n : at+n]
		switch v.Code {
		case driver.Committed:
			v.Recorded, v.Places = r.recorded, mine
			for j := n - 1; j >= 0; j-- {
				if mine[j].Known {
					continue
				}
				version := &r.versions[c.numbers[at+j].stream-1]
				mine[j] = driver.Place{Position: driver.Position(position), Version: *version}
				position--
				*version--
			}
		case driver.AlreadyDone:
			v.Places = mine
		}
	}
	return out, nil
}
