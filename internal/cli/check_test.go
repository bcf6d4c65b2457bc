package cli_test

import (
	"strings"
	"testing"
)

// TestCheckSaysWhatIsWrong: one line for each thing, exit code 1 as soon as one of them fails, and never a secret.
func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.Environ = append(b.deps.Environ, "STRIPE_WEBHOOK_SECRET=whsec_dev_check", "STRIPE_KEY=sk_test_check_dev")
	good := b.run("check")
	if good.code != 0 || !strings.Contains(good.out, "ok ") || strings.Contains(good.out, "FAIL") {
		t.Errorf("%+v", good)
	}
	b.deps.Environ = append(b.deps.Environ, "HOOKSAGA_BUS=kafka://127.0.0.1:1", "HOOKSAGA_MODE=live", "HOOKSAGA_WORKERS=none")
	bad := b.run("check", "--timeout", "2s")
	for _, want := range []string{"FAIL    kafka 127.0.0.1:1", "connection refused", "is a test key, and the mode is live", "HOOKSAGA_WORKERS"} {
		if bad.code != 1 || !strings.Contains(bad.out, want) {
			t.Errorf("no %q in %+v", want, bad)
		}
	}
	if !strings.Contains(bad.err, "checks failed") {
		t.Errorf("got %s", bad.err)
	}
	lines := b.run("check", "-o", "jsonl")
	if lines.code != 1 || !strings.Contains(lines.out, `{"status":"FAIL","what":"kafka 127.0.0.1:1","found":"does not answer: connection refused","next":"check HOOKSAGA_BUS`) {
		t.Errorf("%+v", lines)
	}
	for _, text := range []string{good.out, bad.out, lines.out} {
		if strings.Contains(text, "whsec_dev_check") || strings.Contains(text, "sk_test_check_dev") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if wrong := b.run("check", "--timeout", "0s"); wrong.code != 2 {
		t.Errorf("%+v", wrong)
	}
}
