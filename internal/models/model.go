package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// model is one Promela file, and what its first comment says about it.
type model struct {
	name  string // of the file, without its ending
	file  string
	text  string
	ltls  []string // names of its formulas
	rules []rule
}

// rule is something that the model keeps to, and breaks when the macro of its name is defined.
type rule struct {
	name     string
	property string // that breaks: an assertion's name, or a formula's
	file     string // of the Go test that walks the counterexample's schedule through the product
	test     string
}

// A rule in the comment of a model:
//
//	rule NO_FENCE breaks at_most_one_effect
//	  What the rule is.
//	  test internal/dispatch/lease_test.go TestAResultAfterTheLeaseIsFenced
var (
	ruleLine = regexp.MustCompile(`^rule ([A-Z_]+) breaks ([a-z_]+)$`)
	testLine = regexp.MustCompile(`^\s+test (\S+_test\.go) (Test\w+)$`)
	ltlLine  = regexp.MustCompile(`(?m)^ltl ([a-z_]+) `)
)

func parse(file, text string) model {
	m := model{name: strings.TrimSuffix(filepath.Base(file), ".pml"), file: file, text: text}
	for _, found := range ltlLine.FindAllStringSubmatch(text, -1) {
		m.ltls = append(m.ltls, found[1])
	}
	header, _, _ := strings.Cut(text, "*/")
	for line := range strings.Lines(header) {
		line = strings.TrimRight(line, "\n")
		if found := ruleLine.FindStringSubmatch(line); found != nil {
			m.rules = append(m.rules, rule{name: found[1], property: found[2]})
		}
		if found := testLine.FindStringSubmatch(line); found != nil && len(m.rules) > 0 {
			r := &m.rules[len(m.rules)-1]
			r.file, r.test = found[1], found[2]
		}
	}
	return m
}

// sound reports what the comment and the model say differently.
func (m model) sound() error {
	_, body, _ := strings.Cut(m.text, "*/")
	var errs []error
	for _, r := range m.rules {
		if !regexp.MustCompile(`\b` + r.name + `\b`).MatchString(body) {
			errs = append(errs, fmt.Errorf("%s: the model does not read the macro %s", m.file, r.name))
		}
		if !regexp.MustCompile(`\b` + r.property + `\b`).MatchString(body) {
			errs = append(errs, fmt.Errorf("%s: the model has no property %s", m.file, r.property))
		}
		if r.test == "" {
			errs = append(errs, fmt.Errorf("%s: rule %s names no Go test", m.file, r.name))
		}
	}
	if len(m.rules) == 0 || len(m.ltls) == 0 {
		errs = append(errs, fmt.Errorf("%s: %d rules and %d formulas", m.file, len(m.rules), len(m.ltls)))
	}
	return errors.Join(errs...)
}

// plan is one run of spin.
type plan struct {
	model model
	rule  *rule  // that is taken out; nil: none
	ltl   string // the formula that is checked; "": assertions and end states
}

// plans lists every run of every model: as it stands, unless broken, and without each of its rules.
func plans(models []model, broken bool) (all []plan) {
	for _, m := range models {
		if broken {
			break
		}
		all = append(all, plan{model: m})
		for _, f := range m.ltls {
			all = append(all, plan{model: m, ltl: f})
		}
	}
	for _, m := range models {
		for i := range m.rules {
			p := plan{model: m, rule: &m.rules[i]}
			for _, f := range m.ltls {
				if f == p.rule.property {
					p.ltl = f
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// name of the run's directory.
func (p plan) name() string {
	parts := []string{p.model.name}
	if p.rule != nil {
		parts = append(parts, p.rule.name)
	}
	if p.ltl != "" {
		parts = append(parts, p.ltl)
	}
	return strings.Join(parts, "-")
}
