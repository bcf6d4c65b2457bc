package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// journal notes what is done and what it hits. It is safe for concurrent use.
type journal struct {
	log   io.Writer
	begun time.Time

	mu    sync.Mutex
	over  time.Duration // when the last fault was taken back; 0: not yet
	hits  map[kind]int
	lines []entry
	wrong []string // differences that were seen on the way
}

type entry struct {
	at   time.Duration
	text string
}

func newJournal(log io.Writer) *journal {
	return &journal{log: log, begun: time.Now(), hits: map[kind]int{}}
}

// note adds a line to the timeline.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := entry{time.Since(j.begun), fmt.Sprintf(format, args...)}
	j.lines = append(j.lines, e)
	fmt.Fprintln(j.log, e)
}

// hit counts faults that hit.
func (j *journal) hit(k kind, times int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hits[k] += times
}

// differ notes something that must not be.
func (j *journal) differ(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.note("WRONG: %s", text)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wrong = append(j.wrong, text)
}

func (e entry) String() string { return fmt.Sprintf("%7.2fs  %s", e.at.Seconds(), e.text) }

// end notes that the last fault was taken back.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = time.Since(j.begun)
}

// lastMinute returns the last minute of the faults, and what came after it.
func (j *journal) lastMinute() (lines []entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.lines {
		if e.at >= j.over-time.Minute {
			lines = append(lines, e)
		}
	}
	return lines
}

// snapshot returns the counts and differences so far.
func (j *journal) snapshot() (hits map[kind]int, wrong []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	hits = map[kind]int{}
	for k, n := range j.hits {
		hits[k] = n
	}
	return hits, append([]string(nil), j.wrong...)
}
