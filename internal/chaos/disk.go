package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// diskSize is what the store's file system holds; memory is used only for what is there.
	diskSize = 4 << 30
	// diskLeft is what is left of it while it is full: enough for nothing to break at once.
	diskLeft = 128 << 10
)

// fillDisk makes the store's disk too small for anything more until the act is over. It counts the complaints.
func (s *stage) fillDisk(ctx context.Context, a act) error {
	before := s.complaints()
	if err := s.place.disk.fill(diskLeft); err != nil {
		return err
	}
	rest(ctx, a.lasts)
	_ = s.await(ctx, unmet, func() bool { return s.complaints() > before }) // nobody may have written yet
	if err := s.place.disk.empty(); err != nil {
		return err
	}
	n := s.complaints() - before
	s.journal.note("%s: %d complaints", a.kind, n)
	s.journal.hit(a.kind, n)
	return nil
}

// complaints counts the lines about a full disk in the logs of Postgres, or of the processes on SQLite.
func (s *stage) complaints() (n int) {
	logs, text := []string{}, "No space left on device"
	if s.place.database != nil {
		logs = append(logs, s.place.database.server.LogFile())
	} else {
		all, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
		if err != nil {
			s.journal.differ("logs: %v", err)
		}
		logs, text = all, "is full"
	}
	for _, log := range logs {
		raw, err := os.ReadFile(log)
		if err != nil {
			s.journal.differ("read %s: %v", log, err)
		}
		n += bytes.Count(raw, []byte(text))
	}
	return n
}

// errNoDisk says why the disk cannot be filled here.
func errNoDisk(err error) error {
	return fmt.Errorf("%s: a tmpfs cannot be mounted: %w", diskFull, err)
}
