package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// want is the property that a run has to break; "" where all has to hold.
func (p plan) want() string {
	if p.rule == nil {
		return ""
	}
	return p.rule.property
}

// report prints the table, and returns what is otherwise than the models say.
func report(to io.Writer, results []result) error {
	var wrong []error
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "model\twithout\tstates\tCPU s\tresult\tshown harmless by")
	for _, r := range results {
		without, test := "", ""
		if r.rule != nil {
			without, test = r.rule.name, r.rule.test
		}
		said, err := r.verdict()
		if err != nil {
			wrong = append(wrong, err)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%s\t%s\n", r.model.name, without, r.states, r.took.Round(100*time.Millisecond).Seconds(), said, test)
	}
	return errors.Join(append(wrong, w.Flush())...)
}

// verdict says what came of a run in a few words, and why that is wrong if it is.
func (r result) verdict() (string, error) {
	what := "assertions"
	if r.ltl != "" {
		what = r.ltl
	}
	switch {
	case r.problem != nil:
		return "NOT CHECKED", fmt.Errorf("%s: %w", r.name(), r.problem)
	case r.broken == r.want() && r.rule == nil:
		return what + " hold", nil
	case r.broken == r.want():
		return "breaks " + r.broken, nil
	case r.broken == "":
		return "HOLDS", fmt.Errorf("%s: nothing breaks, want %s to", r.name(), r.want())
	case r.rule == nil:
		return "BREAKS " + r.broken, fmt.Errorf("%s: %s is broken", r.name(), r.broken)
	default:
		return "BREAKS " + r.broken, fmt.Errorf("%s: %s is broken, want %s to", r.name(), r.broken, r.want())
	}
}
