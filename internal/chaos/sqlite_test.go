package main

import (
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

func TestALockedFileIsLockedForOthers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "some.db")
	type answer struct {
		locked bool
		err    error
	}
	first := make(chan answer)
	go func() {
		locked, err := lockFile(t.Context(), file, time.Second, 500*time.Millisecond)
		first <- answer{locked, err}
	}()
	for refused := false; !refused; {
		select {
		case a := <-first:
			t.Fatalf("nobody was refused meanwhile: %+v", a)
		default:
		}
		locked, err := lockFile(t.Context(), file, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		refused = !locked
	}
	if a := <-first; !a.locked || a.err != nil {
		t.Errorf("%+v", a)
	}
	if locked, err := lockFile(t.Context(), file, 0, 0); !locked || err != nil {
		t.Errorf("afterwards: %v %v", locked, err)
	}
}
