package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Processes returns the ids of the server's processes, the postmaster's first. It may be empty: the server does not run.
func (s *Server) Processes() ([]int, error) {
	if s.proc == nil || !s.proc.Running() {
		return nil, nil
	}
	children, err := childrenOf(s.proc.PID())
	return append([]int{s.proc.PID()}, children...), err
}

// Running reports whether the postmaster runs. It ends by itself when a recovery fails, for example on a full disk.
func (s *Server) Running() bool { return s.proc != nil && s.proc.Running() }

// Crash kills the postmaster with SIGKILL, as the kernel does when memory is short, and waits until every other process of
// the server has noticed: a new one cannot start before. Restart recovers from the log.
func (s *Server) Crash(ctx context.Context) error {
	all, err := s.Processes()
	if err != nil || len(all) == 0 {
		return err
	}
	if err := s.halt(syscall.SIGKILL); err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range all[1:] {
		for syscall.Kill(pid, 0) == nil && parentOf(pid) >= 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("process %d of the server is still there: %w", pid, ctx.Err())
			}
		}
	}
	return nil
}

// LogFile is what the server logs to.
func (s *Server) LogFile() string { return s.dir + ".log" }

// DataDir is where the server keeps its files.
func (s *Server) DataDir() string { return s.data() }

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) (children []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil && parentOf(child) == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

// parentOf reads a process's parent, -1 if there is no such process or it is a zombie (proc(5): state and parent follow
// the name, which is in parentheses).
func parentOf(pid int) int {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return -1
	}
	_, after, ok := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if !ok || len(fields) < 2 || fields[0] == "Z" {
		return -1
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return -1
	}
	return parent
}
