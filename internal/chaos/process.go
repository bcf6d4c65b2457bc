package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
)

// lease is how long a process may hold a command: what its death costs those under way.
const lease = 5 * time.Second

// process is one `hooksaga serve` and what starts it again when it has ended. It is safe for concurrent use.
type process struct {
	role    role
	journal *journal
	bus     string // of the plan
	other   string // bus to switch to; "": there is none

	mu       sync.Mutex
	program  *serving.Program
	env      []string // but for the bus
	switched bool
	wanted   bool
	stopped  bool // by SIGSTOP
	ready    bool // since it was started last
}

// supervise keeps the process running while it is wanted, as a service manager would, until ctx ends. One that ends
// before it is ready has not found its store, which may be down; one that ends later should not have.
func (p *process) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		p.look(ctx)
		rest(ctx, 200*time.Millisecond)
	}
}

func (p *process) look(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted || p.stopped {
		return
	}
	if err := p.program.Alive(); err != nil {
		if p.ready {
			p.journal.differ("%s: %v", p.program.Name, err)
		}
		p.ready = false
		if err := p.launch(); err != nil {
			p.journal.differ("%s cannot be started: %v", p.program.Name, err)
		}
		return
	}
	if !p.ready {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if p.ready = p.program.Ready(ctx) == nil; p.ready {
			p.journal.note("%s is ready", p.program.Name)
		}
	}
}

func (p *process) launch() error {
	bus := p.bus
	if p.switched {
		bus = p.other
	}
	p.program.Env = append(append([]string(nil), p.env...), "HOOKSAGA_BUS="+bus)
	return p.program.Launch()
}

// want says that the process is to run.
func (p *process) want() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
}

// kill ends the process at once, and reports whether it was serving. It stays down until it is wanted.
func (p *process) kill() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.ready
	p.wanted, p.ready = false, false
	return p.program.Kill() == nil && was
}

// end stops the process in order, and reports whether it was serving.
func (p *process) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.ready && p.program.Alive() == nil
	p.wanted, p.ready = false, false
	if err := p.program.Stop(); err != nil {
		p.journal.differ("%s: %v", p.program.Name, err)
	}
	return was
}

// stop sends SIGSTOP, and reports whether that hit a process that was serving.
func (p *process) stop() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.program.Signal(syscall.SIGSTOP)
	return p.ready
}

func (p *process) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.program.Signal(syscall.SIGCONT)
	p.stopped = false
}

// toggle makes the next start use the other bus, and returns its name.
func (p *process) toggle() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.switched = !p.switched; p.switched {
		return p.other
	}
	return p.bus
}

// serving reports whether the process is ready, on the plan's bus.
func (p *process) serving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready && !p.switched
}

// breakProcesses plays one act of its lane.
func (s *stage) breakProcesses(ctx context.Context, a act) error {
	p := s.processes[pick(a.draw[0], len(s.processes))]
	_ = s.await(ctx, unmet, p.serving) // it may have been killed before; a fault that finds nobody is counted as missed
	switch a.kind {
	case processKilled:
		s.count(a.kind, p.kill())
		rest(ctx, a.lasts)
		p.want()
	case processesKilled:
		hit := false
		for _, p := range s.processes {
			hit = p.kill() || hit
		}
		s.count(a.kind, hit)
		rest(ctx, a.lasts)
		for _, p := range s.processes {
			p.want()
		}
	case processStopped:
		s.count(a.kind, p.stop())
		rest(ctx, a.lasts)
		p.goOn()
	case processFrozen:
		s.count(a.kind, p.stop())
		rest(ctx, lease+time.Second+a.lasts)
		p.goOn()
	case processRolled:
		s.count(a.kind, p.end())
		p.want()
	case busSwitched:
		p := s.receivers()[pick(a.draw[0], len(s.receivers()))]
		for range 2 { // there, and back
			s.count(a.kind, p.end())
			s.journal.note("%s goes on with %s", p.program.Name, p.toggle())
			p.want()
			rest(ctx, lease+a.lasts)
		}
	default:
		return fmt.Errorf("no such fault of processes: %s", a.kind)
	}
	return nil
}

// expireWhileStopped stops a process under load, lets the others do its work, moves the gateway's clock past the life of its
// keys, and lets the process go on: what it sends then would be executed again.
func (s *stage) expireWhileStopped(ctx context.Context, a act) {
	charging := s.charging()
	if len(charging) > 1 {
		p := charging[pick(a.draw[1], len(charging))]
		s.stopUnlocked(ctx, p)
		defer p.goOn()
	}
	ctx, cancel := context.WithTimeout(ctx, truce)
	defer cancel()
	s.count(a.kind, s.expireKeys(ctx))
}

// stopUnlocked stops a process at a moment at which it does not hold the lock of a SQLite file: that would stop everybody.
func (s *stage) stopUnlocked(ctx context.Context, p *process) {
	for p.stop(); s.place.file != "" && ctx.Err() == nil; p.stop() {
		if free, err := lockFile(ctx, s.place.file, 100*time.Millisecond, 0); free && err == nil {
			return
		}
		p.goOn()
		rest(ctx, 50*time.Millisecond)
	}
}

func (s *stage) receivers() []*process { return s.those(role.receives) }
func (s *stage) charging() []*process  { return s.those(role.charges) }

func (s *stage) those(are func(role) bool) (found []*process) {
	for _, p := range s.processes {
		if are(p.role) {
			found = append(found, p)
		}
	}
	return found
}

// strayed reports whether the process is on the other bus.
func (p *process) strayed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.switched
}

// ask runs the program's reading commands with the process's settings.
func (p *process) ask(ctx context.Context, e *ledger.Evidence) error {
	p.mu.Lock()
	reader := &serving.Program{Dir: p.program.Dir, Binary: p.program.Binary, Env: append(append([]string(nil), p.env...), "HOOKSAGA_BUS="+p.bus)}
	p.mu.Unlock()
	return reader.Ask(ctx, e)
}
