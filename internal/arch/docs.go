package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Paths reports what the Markdown file doc (from root) names and the tree does not have: links to files, and paths in
// backticks that begin with a directory of the tree, or end like a file of it.
func Paths(root, doc string) ([]Violation, error) {
	raw, err := os.ReadFile(filepath.Join(root, doc))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	top := map[string]bool{}
	for _, e := range entries {
		top[e.Name()] = true
	}
	for _, planned := range []string{"cmd", "commands", "deploy", "docs", "eventstore", "ingest", "internal", "sagas", "bench"} {
		top[planned] = true
	}
	quoted := regexp.MustCompile("`([^`\\s]+)`")
	linked := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	var found []Violation
	fenced := false
	for i, line := range strings.Split(string(raw), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		report := func(name string) {
			found = append(found, Violation{At: fmt.Sprintf("%s:%d", doc, i+1), What: name + " does not exist"})
		}
		for _, m := range linked.FindAllStringSubmatch(line, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target != "" && !strings.Contains(target, ":") && !exists(filepath.Join(root, filepath.Dir(doc), target)) {
				report(m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(line, -1) {
			name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(m[1], "./"), "/..."), "/")
			first, _, nested := strings.Cut(name, "/")
			if !nested || !top[first] || strings.ContainsAny(name, "{}<>$:=") || strings.Contains(name, "…") {
				continue
			}
			if !exists(filepath.Join(root, name)) && !isSymbol(root, name) {
				report(m[1])
			}
		}
	}
	return found, nil
}

// exists reports whether a path, or anything a pattern with * stands for, is there.
func exists(pattern string) bool {
	found, err := filepath.Glob(pattern)
	return err == nil && len(found) > 0
}

// isSymbol reports whether name is an exported thing of a package that exists: sagas/saga.Definition.
func isSymbol(root, name string) bool {
	dir, base := filepath.Split(name)
	pkg, symbol, ok := strings.Cut(base, ".")
	return ok && symbol != "" && symbol[0] >= 'A' && symbol[0] <= 'Z' && exists(filepath.Join(root, dir, pkg))
}
