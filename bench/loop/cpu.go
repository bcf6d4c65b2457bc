package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat on every Linux that Go runs on (proc(5), sysconf(_SC_CLK_TCK)). The kernel
// fills it from exact run times, so that a difference of two readings is off by two ticks at most.
const tick = 10 * time.Millisecond

// usage is the CPU time, user and system, that everyone has used. Servers that run on another machine have used none.
type usage struct {
	contender, postgres, outside, kafka time.Duration
}

func (u usage) sub(v usage) usage {
	return usage{u.contender - v.contender, u.postgres - v.postgres, u.outside - v.outside, u.kafka - v.kafka}
}

// String gives microseconds, Kafka's only where there is one.
func (u usage) String() string {
	s := fmt.Sprintf("%d + %d + %d", u.contender.Microseconds(), u.postgres.Microseconds(), u.outside.Microseconds())
	if u.kafka > 0 {
		s += fmt.Sprintf(" + %d", u.kafka.Microseconds())
	}
	return s
}

// stat is what is read of /proc/PID/stat.
type stat struct {
	parent int
	own    time.Duration // of the process, with all its threads
	waited time.Duration // of children that have ended
}

// process reads one process; an error where there is none.
func process(pid int) (s stat, err error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return s, err
	}
	_, rest, ok := strings.Cut(string(raw), ") ") // the name before it may hold anything else
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return s, fmt.Errorf("/proc/%d/stat cannot be read", pid)
	}
	number := func(i int) int64 {
		n, bad := strconv.ParseInt(fields[i], 10, 64)
		err = errors.Join(err, bad)
		return n
	}
	s.parent = int(number(1))
	s.own = time.Duration(number(11)+number(12)) * tick
	s.waited = time.Duration(number(13)+number(14)) * tick
	return s, err
}

// family is what a process, its living children and those that have ended have used together.
func family(pid int) (time.Duration, error) {
	top, err := process(pid)
	if err != nil {
		return 0, err
	}
	sum := top.own + top.waited
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		s, err := process(child)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && s.parent == pid {
			sum += s.own
		}
	}
	return sum, nil
}

// postmaster finds the process that all of a Postgres's processes are children of; 0 where it is on another machine.
func postmaster(ctx context.Context, db *sql.DB) (int, error) {
	var backend int
	if err := db.QueryRowContext(ctx, `select pg_backend_pid()`).Scan(&backend); err != nil {
		return 0, err
	}
	s, err := process(backend)
	if err != nil {
		return 0, nil
	}
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.parent), "comm"))
	if err != nil || !strings.HasPrefix(string(raw), "postgres") {
		return 0, nil
	}
	return s.parent, nil
}

// listeners finds the processes of this machine that listen on the given TCP ports of IPv4 or IPv6: those that it may
// look into.
func listeners(ports []int) (pids []int, err error) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line) // proc_pid_net(5): local address, state and inode are the 2nd, 4th and 10th
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if port, err := strconv.ParseInt(hex, 16, 32); err == nil && slices.Contains(ports, int(port)) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	entries, err := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range entries {
		files, _ := os.ReadDir(dir) // of others' processes, or of one that has ended: not ours to read
		if slices.ContainsFunc(files, func(f fs.DirEntry) bool {
			target, _ := os.Readlink(filepath.Join(dir, f.Name())) // closed meanwhile
			return sockets[target]
		}) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, err
}
