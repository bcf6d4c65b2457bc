package arch_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/internal/arch"
	"github.com/hooksaga/hooksaga/sagas"
)

var update = flag.Bool("update", false, "write testdata/wire.golden")

// Names on the wire are permanent: ids are hashed from them, and stored events carry them. A line may be added. One
// that changes or goes needs its old name kept as an alias, and a reason in the commit.
func TestWireNames(t *testing.T) {
	lines, violations := load(t).Wire()
	for _, v := range violations {
		t.Error(v)
	}
	lines = slices.Concat(lines, outcomes(), handled())
	golden := filepath.Join("testdata", "wire.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if changes := arch.Diff(want, lines); len(changes) > 0 {
		t.Errorf("wire names changed; if they may, go test ./internal/arch -update:\n%s", strings.Join(changes, "\n"))
	}
}

// handled lists what each built-in saga subscribes to, beside what is addressed to it.
func handled() (lines []string) {
	for _, d := range sagas.All() {
		for _, p := range d.Patterns() {
			lines = append(lines, fmt.Sprintf("handled %s %s %s", d.Name(), p.Source, p.Type))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// outcomes lists the names that are made of commands' names.
func outcomes() []string {
	return slices.Concat(outcomesOf(charge.Create), outcomesOf(charge.Refund), outcomesOf(orders.Cancel),
		outcomesOf(access.Grant), outcomesOf(access.Cancel))
}

func outcomesOf[A, R any](c commands.Type[A, R]) (lines []string) {
	for _, name := range []string{
		c.Succeeded().Event().Name(), c.Rejected().Event().Name(), c.Failed().Event().Name(),
		c.Cancelled().Event().Name(), c.Unresolved().Event().Name(),
	} {
		lines = append(lines, "outcome "+name)
	}
	return lines
}
