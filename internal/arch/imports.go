package arch

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// rule says what the packages of one kind may import beside the standard library and their own parents. Patterns are
// import paths as path.Match reads them, "..." at the end being everything below, too; those that begin with
// "./" are of this module.
type rule struct {
	packages []string // directories from the root, as patterns
	may      []string // nil: nothing; "*": everything
	never    []string // what "*" leaves out
}

// The parts of the layout that more than one rule names.
const (
	stripe = "github.com/stripe/stripe-go/v76/..."
	sqlx   = "github.com/jmoiron/sqlx"
)

func api() []string {
	return []string{"./eventstore", "./eventstore/driver", "./commands", "./sagas/saga", "./ingest"}
}

// adapters are what the rest does not know: who needs one gets it from internal/app.
func adapters() []string {
	return []string{"./eventstore/pgstore", "./eventstore/sqlitestore", "./ingest/hmachook", "./ingest/standardhook",
		"./commands/charge/stripecharge", "./commands/notify", "./internal/bus"}
}

// machinery puts the program together.
func machinery() []string {
	return []string{".", "./internal/app", "./internal/cli", "./internal/config", "./cmd/..."}
}

// rules is the table of docs/ARCHITECTURE.md. The first rule whose packages match counts.
func rules() []rule {
	return []rule{
		{packages: []string{"eventstore/driver"}},
		{packages: []string{"eventstore"}, may: []string{"./eventstore/driver"}},
		{packages: []string{"commands"}, may: []string{"./eventstore"}},
		{packages: []string{"commands/charge", "commands/orders", "commands/access"}, may: []string{"./commands", "./eventstore"}},
		{packages: []string{"sagas/saga"}, may: []string{"./eventstore", "./commands"}},
		{packages: []string{"sagas"}, may: []string{"./sagas/saga", "./eventstore", "./commands", "./commands/*", "./ingest/stripehook", stripe}},
		{packages: []string{"ingest"}, may: []string{"./eventstore"}},

		{packages: []string{"eventstore/pgstore"}, may: []string{"./eventstore", "./eventstore/driver", sqlx, "github.com/lib/pq/...", "github.com/pressly/goose/v3/..."}},
		{packages: []string{"eventstore/sqlitestore"}, may: []string{"./eventstore", "./eventstore/driver", sqlx, "modernc.org/...", "github.com/pressly/goose/v3/..."}},
		{packages: []string{"ingest/stripehook"}, may: []string{"./ingest", "./eventstore", stripe}},
		{packages: []string{"ingest/hmachook", "ingest/standardhook"}, may: []string{"./ingest", "./eventstore", "github.com/standard-webhooks/..."}},
		{packages: []string{"commands/charge/stripecharge"}, may: []string{"./commands", "./commands/charge", "./eventstore", stripe,
			"github.com/sony/gobreaker/v2", "golang.org/x/time/rate"}},
		{packages: []string{"commands/notify"}, may: []string{"./commands", "./commands/*", "./eventstore", "github.com/standard-webhooks/..."}},
		{packages: []string{"internal/bus/..."}, may: []string{"./internal/bus/...", "./internal/redact", "./internal/relay", "./eventstore", "./eventstore/driver",
			"github.com/ThreeDotsLabs/...", "github.com/IBM/sarama", "github.com/xdg-go/scram", "github.com/prometheus/client_golang/...", "go.opentelemetry.io/..."}},

		{packages: []string{"internal/relay", "internal/engine", "internal/dispatch", "internal/timers", "internal/console"},
			may: append(api(), "./internal/*", "github.com/ThreeDotsLabs/watermill", "github.com/ThreeDotsLabs/watermill/message/...",
				"github.com/cenkalti/backoff/v5", "github.com/sony/gobreaker/v2", "golang.org/x/time/rate",
				"github.com/prometheus/client_golang/...", "go.opentelemetry.io/..."),
			never: append(adapters(), machinery()...)},

		{packages: []string{"cmd/..."}, may: []string{".", "./sagas"}},
		{packages: []string{".", "internal/app", "internal/app/...", "internal/cli", "internal/cli/..."}, may: []string{"*"}},
		// config makes providers; demo plays all the others' parts in its story.
		{packages: []string{"internal/config", "internal/demo"}, may: []string{"*"}, never: []string{"./internal/app/...", "./internal/cli/...", ".", "./cmd/..."}},
		{packages: []string{"internal/..."}, may: []string{"*"}, never: append(adapters(), "./internal/app/...", "./internal/cli/...", ".", "./cmd/...")},
		{packages: []string{"..."}, may: []string{"*"}, never: append(machinery(), "./internal/...")},
	}
}

// Imports reports imports that the layout does not allow. Tests may import what they like, and so may what only serves
// them; the product imports nothing of that, but for the Stripe simulator that dev and demo run.
func (t *Tree) Imports() (found []Violation) {
	for _, f := range t.files {
		if f.Test || f.ToolDir() {
			continue
		}
		imports := f.Imports()
		for _, imported := range slices.Sorted(maps.Keys(imports)) {
			if why := forbidden(f.Dir, imported); why != "" {
				found = append(found, t.at(imports[imported], "%s imports %s: %s", f.Dir, imported, why))
			}
		}
	}
	return found
}

func forbidden(dir, imported string) string {
	if standard(imported) {
		if imported == "testing" || strings.HasPrefix(imported, "testing/") {
			return "the product does not import testing"
		}
		return ""
	}
	local := strings.TrimPrefix(imported, Module)
	if local != imported && strings.HasSuffix(local, "test") {
		simulator := local == "/commands/charge/chargetest" && slices.ContainsFunc([]string{"internal/app", "internal/cli", "internal/demo"},
			func(user string) bool { return under(dir, user) })
		if !simulator {
			return "it serves tests"
		}
		return ""
	}
	for _, r := range rules() {
		if !slices.ContainsFunc(r.packages, func(p string) bool { return match(p, dir) }) {
			continue
		}
		if slices.ContainsFunc(r.never, func(p string) bool { return allows(p, imported) }) {
			return "no package of this kind may"
		}
		if slices.ContainsFunc(r.may, func(p string) bool { return p == "*" || allows(p, imported) }) {
			return ""
		}
		return "this kind of package may import only the standard library and " + strings.Join(r.may, ", ")
	}
	return ""
}

// standard reports whether an import path is of the standard library: its first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// allows reports whether a rule's pattern is about the imported path.
func allows(pattern, imported string) bool {
	local, ours := strings.CutPrefix(imported, Module)
	if pattern != "." && !strings.HasPrefix(pattern, "./") {
		return !ours && match(pattern, imported)
	}
	return ours && match(strings.TrimPrefix(pattern, "./"), path.Clean(strings.TrimPrefix(local, "/")))
}

// match is path.Match with "..." at the end for what is below, and for the path itself.
func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return under(name, top)
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
