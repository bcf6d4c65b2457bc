package arch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/internal/arch"
)

// root is the module's directory, seen from this one, where go test runs.
const root = "../.."

func load(t *testing.T) *arch.Tree {
	t.Helper()
	tree, err := arch.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTheTreeKeepsItsRules(t *testing.T) {
	tree := load(t)
	for name, rule := range map[string]func() []arch.Violation{
		"imports":   tree.Imports,
		"names":     tree.Names,
		"inits":     tree.Inits,
		"variables": tree.Variables,
		"skips":     tree.Skips,
		"sleeps":    tree.Sleeps,
		"length":    tree.Length,
		"docs":      tree.Docs,
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range rule() {
				t.Error(v)
			}
		})
	}
}

func TestPathsInDocsExist(t *testing.T) {
	docs := []string{"README.md", "CHANGELOG.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(name string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			rel, err := filepath.Rel(root, name)
			docs = append(docs, rel)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range docs {
		violations, err := arch.Paths(root, doc)
		if err != nil {
			t.Error(err)
		}
		for _, v := range violations {
			t.Error(v)
		}
	}
}

// lib/pq 1.12.0 to 1.12.3 can leave a pooled connection unusable for good (its issues 1320 and 1450), and a library we
// use may lift the version without a word.
func TestLibPQIsPinned(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/lib/pq")
	cmd.Dir = root
	out, err := cmd.Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "v1.11.2" {
		t.Errorf("lib/pq is %q (%v), want v1.11.2", got, err)
	}
}
