package docs_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every module that our code imports has its line of reason, and no other has.
func TestEveryDependencyHasAReason(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, row := range cells(read(t, "docs/dependencies.md")) {
		if row[0] == "module" {
			continue
		}
		if len(row) != 2 || row[1] == "" {
			t.Errorf("%s has no reason", row[0])
		}
		listed = append(listed, strings.Trim(row[0], "`"))
	}
	slices.Sort(listed)
	if diff := cmp.Diff(imported(t), listed); diff != "" {
		t.Errorf("docs/dependencies.md (+) and what is imported (-):\n%s", diff)
	}
}

// imported lists the modules of the packages that our packages and their tests import.
func imported(t *testing.T) []string {
	t.Helper()
	paths := map[string]bool{}
	for _, p := range list[struct{ Imports, TestImports, XTestImports []string }](t, "-json=Imports,TestImports,XTestImports", "./...") {
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if first, _, _ := strings.Cut(i, "/"); strings.Contains(first, ".") && !strings.HasPrefix(i, "github.com/hooksaga/") {
				paths[i] = true
			}
		}
	}
	modules := map[string]bool{}
	args := append([]string{"-find", "-json=Module"}, slices.Sorted(maps.Keys(paths))...)
	for _, p := range list[struct{ Module struct{ Path string } }](t, args...) {
		modules[p.Module.Path] = true
	}
	return slices.Sorted(maps.Keys(modules))
}

// list runs go list and reads the JSON that it prints.
func list[T any](t *testing.T, args ...string) (all []T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var one T
		if err := dec.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}
