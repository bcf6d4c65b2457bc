package ingest_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/ingest"
)

func paths(t testing.TB, list ...string) *ingest.Paths {
	t.Helper()
	p, err := ingest.NewPaths(list...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestScanFindsValues(t *testing.T) {
	t.Parallel()
	p := paths(t, "id", "a.b", "a", "a.b.c", "id", "list.x", "gone")
	f, err := p.Scan([]byte(" {\"a\" : {\"x\":1, \"b\":{\"c\" : \"d\\u00e9\\n\"}} ,\"i\\u0064\":\"1\",\"list\":[{\"x\":1}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{f.Text(0), string(f.Raw(1)), string(f.Raw(2)), f.Text(3), f.Text(4), string(f.Raw(5)), f.Text(6)}
	want := []string{"1", `{"c" : "d\u00e9\n"}`, `{"x":1, "b":{"c" : "d\u00e9\n"}}`, "dé\n", "1", "", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScanLongStrings(t *testing.T) {
	t.Parallel()
	p := paths(t, "s", "after")
	for n := range 40 {
		for _, tail := range []string{"", `\"`, `\\`, `\n`, `\u0022`, "é", "\u007f", "😀"} {
			s := strings.Repeat("x", n) + tail
			f, err := p.Scan([]byte(`{"s":"` + s + `","after":"y"}`))
			var want string
			if jerr := json.Unmarshal([]byte(`"`+s+`"`), &want); err != nil || jerr != nil || f.Text(0) != want || f.Text(1) != "y" {
				t.Errorf("%q: got %q, %q (%v, %v)", s, f.Text(0), f.Text(1), err, jerr)
			}
		}
		for c := range 0x20 {
			if _, err := p.Scan([]byte(`{"s":"` + strings.Repeat("x", n) + string(rune(c)) + `"}`)); err == nil {
				t.Errorf("control character %#x after %d bytes passes", c, n)
			}
		}
	}
}

// What encoding/json takes as an object is taken, and nothing else.
func TestScanIsAsStrictAsEncodingJSON(t *testing.T) {
	t.Parallel()
	p := paths(t, "id")
	for _, value := range []string{
		"0", "-0", "00", "01", "-", "+1", ".5", "1.", "1.e1", "1e", "1e+", "1E-7", "1e400", "0x1", "NaN", "- 1", "1_0",
		"true", "tru", "True", "nul", "null", "falsee", `"`, `"\`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"\v"`, `"\u12"`, `"\u12G4"`, `"\uABcd"`, `"\u12345"`, `"\x41"`,
		"[]", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "{}", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{1:1}`, `{"a":1 "b":2}`,
		"'x'", "/* */1", "// x", "", " ", "\v1", "\u00a01", "1,", "\"\t\"", "\"\x7f\"", "\"\u2028\"",
	} {
		in := []byte(`{"id":` + value + `}`)
		if _, err := p.Scan(in); (err == nil) != json.Valid(in) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	p := paths(t, "t")
	for in, want := range map[string]string{
		`1700000000`: "2023-11-14T22:13:20Z", `1700000000.5`: "2023-11-14T22:13:20.5Z", `1.7e9`: "2023-11-14T22:13:20Z",
		`"2023-11-14T22:13:20.000001+01:00"`: "2023-11-14T21:13:20.000001Z", `0`: "1970-01-01T00:00:00Z", `-1`: "1969-12-31T23:59:59Z",
		`253402300799`: "9999-12-31T23:59:59Z", `253402300800`: "", `1e300`: "", `1e400`: "", `"soon"`: "", `null`: "", `true`: "", `{}`: "",
	} {
		f, err := p.Scan([]byte(`{"t":` + in + `}`))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at, ok := f.Time(0); ok {
			got = at.Format("2006-01-02T15:04:05.999999999Z07:00")
		}
		if got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
}

func TestAPathNeedsKeys(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a.", ".a", "a..b"} {
		if _, err := ingest.NewPaths("ok", path); err == nil || !strings.Contains(err.Error(), `"`+path+`"`) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// FuzzScan compares with encoding/json: the same bodies are objects, and where keys are not ambiguous the same values
// are found.
func FuzzScan(f *testing.F) {
	for _, s := range []string{body, "", "{}", "[]", `{"id":"\ud800"}`, `{"a":{"b":{"c":-0.5e+1}}}`, `{"id":1,"id":2}`, "{\"\xff\":1}", `{"a":[[{}],true,null]} x`} {
		f.Add([]byte(s))
	}
	p := paths(f, "id", "a", "a.b")
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := p.Scan(in)
		object := utf8.Valid(in) && json.Valid(in) && json.Unmarshal(in, &map[string]json.RawMessage{}) == nil && !isNull(in)
		if err != nil {
			if object && !ambiguous(in) {
				t.Fatalf("refused %q: %v", in, err)
			}
			return
		}
		if !object {
			t.Fatalf("took %q", in)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatal(err)
		}
		for i, key := range []string{"id", "a"} {
			if string(got.Raw(i)) != string(want[key]) {
				t.Fatalf("%q: %s is %q, want %q", in, key, got.Raw(i), want[key])
			}
		}
		var text string
		if json.Unmarshal(want["id"], &text) == nil && got.Text(0) != text {
			t.Fatalf("%q: text is %q, want %q", in, got.Text(0), text)
		}
	})
}

func isNull(in []byte) bool { return strings.TrimSpace(string(in)) == "null" }

// ambiguous reports whether id, a or a's b stands twice in its object.
func ambiguous(in []byte) bool {
	dec := json.NewDecoder(strings.NewReader(string(in)))
	seen := map[string]int{}
	if _, err := dec.Token(); err != nil {
		return false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		seen[key.(string)]++
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return false
		}
		if key == "a" && len(value) > 0 && value[0] == '{' && countB(value) > 1 {
			return true
		}
	}
	return seen["id"] > 1 || seen["a"] > 1
}

func countB(object json.RawMessage) (n int) {
	dec := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := dec.Token(); err != nil {
		return 0
	}
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return n
		}
		if key == "b" {
			n++
		}
	}
	return n
}
