package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A page that names `path/to/x_test.go` and then `TestY`, or a "rule" of a suite, means that these stand in that file.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, name := range pages(t) {
		for _, unit := range units(read(t, name)) {
			file, text := "", ""
			for _, m := range mention.FindAllStringSubmatch(unit, -1) {
				switch path, test, rule := m[1], m[2], m[3]; {
				case path != "":
					raw, err := os.ReadFile(filepath.Join(root, path))
					if file, text = path, string(raw); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				case test != "" && file != "":
					if seen++; !strings.Contains(text, "\nfunc "+strings.Split(test, "/")[0]+"(") {
						t.Errorf("%s: %s has no %s", name, file, test)
					}
				case rule != "" && strings.HasPrefix(file, "eventstore/storetest/"):
					if seen++; !strings.Contains(text, `("`+rule+`", `) {
						t.Errorf("%s: %s has no rule %q", name, file, rule)
					}
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d tests are named: the pages are written otherwise than this test reads them", seen)
	}
}

// mention is a path of a Go file, a test, or a text between quotation marks.
var mention = regexp.MustCompile("`([a-z0-9_]+/[a-z0-9_/]+\\.go)`|`((?:Test|Fuzz|Example|Benchmark)[A-Za-z0-9_/]*)`|\"([^\"]+)\"")

// units are what a page's sentences stand in: paragraphs, and the rows of tables.
func units(page string) (all []string) {
	for paragraph := range strings.SplitSeq(page, "\n\n") {
		if strings.HasPrefix(paragraph, "|") {
			all = append(all, strings.Split(paragraph, "\n")...)
		} else {
			all = append(all, strings.ReplaceAll(paragraph, "\n", " "))
		}
	}
	return all
}

// Every promise names a test: a row without one says nothing. The table of deliberate defects is TestMutants' own.
func TestEveryGuaranteeNamesATest(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/guarantees.md")
	promises, _, there := strings.Cut(page, "\n## Deliberate defects\n")
	if !there {
		t.Fatal("the page has no section on deliberate defects")
	}
	for _, row := range cells(promises) {
		if row[0] == "promise" {
			continue
		}
		if len(row) != 2 || !strings.Contains(row[1], ".go` ") {
			t.Errorf("%q names no test", row[0])
		}
	}
}
