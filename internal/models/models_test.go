package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func loaded(t *testing.T) []model {
	t.Helper()
	models, err := load(filepath.Join(root, "docs", "models"), "")
	if err != nil {
		t.Fatal(err)
	}
	return models
}

// Every counterexample stands as a test of the product.
func TestEveryRuleNamesATestThatExists(t *testing.T) {
	t.Parallel()
	for _, m := range loaded(t) {
		if len(m.rules) < 6 {
			t.Errorf("%s has %d rules", m.name, len(m.rules))
		}
		for _, r := range m.rules {
			raw, err := os.ReadFile(filepath.Join(root, r.file))
			if err != nil || !strings.Contains(string(raw), "\nfunc "+r.test+"(") {
				t.Errorf("%s %s: %s has no %s (%v)", m.name, r.name, r.file, r.test, err)
			}
		}
	}
}

// The page beside the models tells of each of their rules.
func TestThePageTellsOfEveryRule(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "models", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range loaded(t) {
		for _, r := range m.rules {
			if !strings.Contains(string(page), "| `"+r.name+"` |") {
				t.Errorf("README.md has no row for %s of %s", r.name, m.name)
			}
		}
	}
}

func TestSound(t *testing.T) {
	t.Parallel()
	bad := parse("x.pml", "/*\nrule NO_FENCE breaks safe\n*/\nbyte safer;\n")
	err := bad.sound()
	for _, want := range []string{"does not read the macro NO_FENCE", "no property safe", "names no Go test", "0 formulas"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

// What pan has printed is read for what it proves, and a search that was cut short proves nothing.
func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		out    string
		ltl    string
		broken string
		states int64
		void   bool
	}{
		"holds":            {out: "State-vector 92 byte, depth reached 9, errors: 0\n  3933949 states, stored\n", states: 3933949},
		"an assertion":     {out: "pan:1: assertion violated ((effects<=1)||at_most_one_effect) (at depth 66)\n\tinvalid end states\t+\nWarning: Search not completed\nerrors: 1\n", broken: "at_most_one_effect"},
		"a cycle":          {out: "pan:1: acceptance cycle (at depth 134)\nerrors: 1\n", ltl: "it_ends", broken: "it_ends"},
		"a dead end":       {out: "pan:1: invalid end state (at depth 3)\nerrors: 1\n", broken: "invalid_end_state"},
		"too deep":         {out: "error: max search depth too small\nerrors: 0\n", void: true},
		"out of memory":    {out: "pan: out of memory\nWarning: Search not completed\nerrors: 0\n", void: true},
		"it did not run":   {out: "sh: ./pan: not found", void: true},
		"some other fault": {out: "pan:1: index out of bounds\nerrors: 1\n", void: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := result{plan: plan{ltl: c.ltl}}
			r.read(c.out, nil)
			if r.broken != c.broken || r.states != c.states || (r.problem != nil) != c.void {
				t.Errorf("got %q, %d states, %v", r.broken, r.states, r.problem)
			}
		})
	}
}

// The exit depends on what was expected of each run.
func TestVerdict(t *testing.T) {
	t.Parallel()
	r := &rule{name: "NO_FENCE", property: "once"}
	var got []string
	for _, c := range []result{
		{}, {broken: "once"}, {plan: plan{rule: r}, broken: "once"}, {plan: plan{rule: r}}, {plan: plan{rule: r}, broken: "other"}, {problem: errors.New("cut off")},
	} {
		said, err := c.verdict()
		if err != nil {
			said += " !"
		}
		got = append(got, said)
	}
	want := []string{"assertions hold", "BREAKS once !", "breaks once", "HOLDS !", "BREAKS other !", "NOT CHECKED !"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
