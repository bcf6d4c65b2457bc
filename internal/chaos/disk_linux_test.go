package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Where a file system may be mounted it can be full; elsewhere the run says that it cannot.
func TestADiskIsFullUntilItIsEmptied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := mount(dir)
	if err != nil {
		if !strings.Contains(err.Error(), string(diskFull)) || os.Geteuid() == 0 && !errors.Is(err, syscall.EPERM) {
			t.Error(err)
		}
		return
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	write := func(name string) error {
		return os.WriteFile(filepath.Join(dir, name), make([]byte, 4*diskLeft), 0o600)
	}
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	if err := d.fill(diskLeft); err != nil {
		t.Fatal(err)
	}
	if err := write("while"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk took more: %v", err)
	}
	if err := d.empty(); err != nil {
		t.Fatal(err)
	}
	if err := write("after"); err != nil {
		t.Error(err)
	}
}
