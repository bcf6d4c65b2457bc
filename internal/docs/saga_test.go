package docs_test

import (
	"go/format"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What docs/writing-a-saga.md says is done to a copy of the tree: the sagas' tests pass there, and nothing differs but
// the saga, its test and one line.
func TestASagaIsOneFileAndOneLine(t *testing.T) {
	t.Parallel()
	before := tree(t)
	after := map[string]string{}
	copied := t.TempDir()
	maps.Copy(after, before)
	var touched []string
	for _, b := range blocks(before["docs/writing-a-saga.md"]) {
		switch {
		case b.file == "":
			continue
		case b.language == "diff":
			after[b.file] = patch(t, after[b.file], b)
		case before[b.file] != "":
			t.Errorf("%s is there already", b.file)
		default:
			after[b.file] = b.text
		}
		touched = append(touched, b.file)
	}
	slices.Sort(touched)
	if diff := cmp.Diff([]string{"sagas/all.go", "sagas/fraud_refund.go", "sagas/fraud_refund_test.go"}, touched); diff != "" {
		t.Error(diff)
	}
	if added := strings.Count(after["sagas/all.go"], "\n") - strings.Count(before["sagas/all.go"], "\n"); added != 1 {
		t.Errorf("sagas/all.go has grown by %d lines", added)
	}
	for name, text := range after {
		write(t, filepath.Join(copied, name), text)
	}

	out, err := goTool(t, copied, "test", "-v", "./sagas/...")
	for _, b := range blocks(before["docs/writing-a-saga.md"]) {
		for line := range strings.Lines(b.text) {
			if name, ok := strings.CutPrefix(line, "func Test"); ok && err == nil {
				if name, _, _ = strings.Cut(name, "("); !strings.Contains(out, "--- PASS: Test"+name) {
					t.Errorf("Test%s did not run", name)
				}
			}
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, name := range touched {
		if formatted, err := format.Source([]byte(after[name])); err != nil || string(formatted) != after[name] {
			t.Errorf("%s is not formatted (%v)", name, err)
		}
	}
}

// patch adds the lines of a diff that begin with + after the line that stands before them.
func patch(t *testing.T, text string, diff block) string {
	t.Helper()
	before := ""
	for line := range strings.Lines(diff.text) {
		added, isNew := strings.CutPrefix(line, "+")
		switch {
		case isNew && strings.Count(text, before) == 1:
			text = strings.Replace(text, before, before+added, 1)
		case isNew:
			t.Fatalf("%s has no place for %q", diff.file, added)
		default:
			before = line[1:]
		}
	}
	return text
}

// The compiler refuses a handler of another payload, and says which one it has to be. With that one it compiles.
func TestAWrongPayloadDoesNotCompile(t *testing.T) {
	t.Parallel()
	const module = "internal/docs/testdata/wrongpayload"
	out, err := goTool(t, filepath.Join(root, module), "build", "./...")
	if err == nil || !strings.Contains(out, "*stripe.Subscription") || !strings.Contains(out, "saga.go:") {
		t.Errorf("%v\n%s", err, out)
	}

	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	right := t.TempDir()
	write(t, filepath.Join(right, "go.mod"), strings.Replace(read(t, module+"/go.mod"), "=> ../../../..", "=> "+here, 1))
	write(t, filepath.Join(right, "go.sum"), read(t, module+"/go.sum"))
	write(t, filepath.Join(right, "saga.go"), strings.Replace(read(t, module+"/saga.go"), "in saga.In[*stripe.Customer]", "in saga.In[*stripe.Subscription]", 1))
	if out, err := goTool(t, right, "build", "./..."); err != nil {
		t.Errorf("with the right payload: %v\n%s", err, out)
	}
}

// The sagas that README.md shows are those that ship.
func TestReadmeShowsTheSagasThatShip(t *testing.T) {
	t.Parallel()
	shipped := strings.Fields(read(t, "sagas/cancel_access.go") + read(t, "sagas/order_payment.go"))
	shown := 0
	for _, b := range blocks(read(t, "README.md")) {
		if b.language != "go" {
			continue
		}
		if shown++; !strings.Contains(strings.Join(shipped, " "), strings.Join(strings.Fields(b.text), " ")) {
			t.Errorf("no saga reads so:\n%s", b.text)
		}
	}
	if shown != 2 {
		t.Errorf("%d sagas are shown", shown)
	}
}

// tree reads what belongs to the module: no version control, nothing that was built or is temporary.
func tree(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if rel != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "tmp") {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || strings.HasSuffix(rel, ".db") {
			return nil
		}
		raw, err := os.ReadFile(name)
		files[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goTool runs the go command in a directory, on the modules that are there.
func goTool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
