package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// A few seconds of the real thing on SQLite: two processes or more, and whatever the seed has for them first.
func TestShortRunOnSQLite(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var stdout, stderr bytes.Buffer
	code := command().Run(t.Context(), []string{"-for", "5s", "-seed", "1", "-rate", "10"}, &stdout, &stderr)
	if code != 0 || !strings.HasSuffix(stdout.String(), "\nok\n") || !strings.Contains(stderr.String(), "all is healed") {
		t.Fatalf("exit %d\n%s%s", code, &stdout, &stderr)
	}
	left, err := filepath.Glob(filepath.Join(temp, "hooksaga-chaos-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
