package check_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/internal/cli/check"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(kafkatest.Around(m))) }

// looked is what a check of these settings finds.
func looked(t *testing.T, o check.Options, env ...string) findings {
	t.Helper()
	env = append([]string{"STRIPE_WEBHOOK_SECRET=whsec_dev_check"}, env...)
	c, err := config.Load(config.Input{ReadFile: os.ReadFile, File: "/dev/null", Environ: env})
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return check.Run(t.Context(), c, err, o)
}

type findings []check.Finding

func (all findings) String() string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.Status + " " + f.What + ": " + f.Found + " -> " + f.Next + "\n")
	}
	return b.String()
}

// failures are the findings that FAIL.
func (all findings) failures() (bad findings) {
	for _, f := range all {
		if f.Status == check.Fail {
			bad = append(bad, f)
		}
	}
	return bad
}

// fails requires that something FAILs, with this said of what, and this to do next, and that no secret is shown.
func (all findings) fails(t *testing.T, what, found, next string) {
	t.Helper()
	hit := false
	for _, f := range all.failures() {
		hit = hit || strings.HasPrefix(f.What, what) && strings.Contains(f.Found, found) && strings.Contains(f.Next, next)
	}
	if !hit {
		t.Errorf("no FAIL of %q with %q and %q in\n%s", what, found, next, all)
	}
	for _, f := range all {
		if f.Status != check.OK && f.Next == "" {
			t.Errorf("%s says not what to do", f.Found)
		}
	}
	all.secret(t)
}

// passes requires that nothing FAILs, and that something was said of what.
func (all findings) passes(t *testing.T, what, found string) {
	t.Helper()
	hit := false
	for _, f := range all {
		hit = hit || f.Status == check.OK && strings.HasPrefix(f.What, what) && strings.Contains(f.Found, found)
	}
	if len(all.failures()) > 0 || !hit {
		t.Errorf("no ok of %q with %q in\n%s", what, found, all)
	}
	all.secret(t)
}

func (all findings) warns(t *testing.T, what, found string) {
	t.Helper()
	for _, f := range all {
		if f.Status == check.Warn && strings.HasPrefix(f.What, what) && strings.Contains(f.Found, found) {
			return
		}
	}
	t.Errorf("no warning of %q with %q in\n%s", what, found, all)
}

// secret requires that no secret of these tests is shown: all of them have this in them.
func (all findings) secret(t *testing.T) {
	t.Helper()
	if text := all.String(); strings.Contains(text, "dev-password") || strings.Contains(text, "dev-wrong") || strings.Contains(text, "whsec_dev_check") {
		t.Errorf("a secret is shown:\n%s", text)
	}
}
