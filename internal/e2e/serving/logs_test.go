package serving

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLogsAreSearched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	clean := write("clean.log", `{"msg":"Stripe Event Verified","event_id":"evt_1"}`+"\n")
	if found, err := Inspect([]string{clean}); err != nil || len(found) > 0 {
		t.Errorf("%v %v", found, err)
	}
	for i, text := range []string{"WARNING: DATA RACE\n", "panic: x\n", "fatal error: x\n", `{"key":"` + StripeKey + `"}`, `{"body":"pi_3x_secret_9"}`} {
		if found, err := Inspect([]string{clean, write("bad.log", text)}); err != nil || len(found) != 1 {
			t.Errorf("%d: %v %v", i, found, err)
		}
	}
}
