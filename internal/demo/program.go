package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lease is how long the program may hold a command: what one that was killed held is free for the next after that.
const lease = 5 * time.Second

// program is a hooksaga serve of its own process. A nil one has never run.
type program struct {
	pid           int
	public, admin string // addresses of its listeners
	log           string // file
	cmd           *exec.Cmd
	ended         chan struct{} // closed once the process is gone
}

// start runs the program and returns when it takes requests. Beside an error there may be a program, with a log.
func (p *play) start(ctx context.Context) (*program, error) {
	c := &program{log: filepath.Join(p.dir, "serve-"+strconv.Itoa(p.logs)+".log"), ended: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	says := &announcement{to: log, ready: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, p.Executable, "serve")
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = p.dir, p.environment(), log, says
	c.cmd.SysProcAttr, c.cmd.WaitDelay = attributes(), time.Second
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Linux takes the end of the starting thread for the end of the parent
		defer log.Close()
		defer close(c.ended)
		err := c.cmd.Start()
		if started <- err; err == nil {
			_ = c.cmd.Wait() // how it ended is in ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	c.pid = c.cmd.Process.Pid
	late := time.NewTimer(p.Patience)
	defer late.Stop()
	select {
	case <-says.ready:
		c.public, c.admin = says.listen, says.admin
		return c, nil
	case <-c.ended:
		return c, fmt.Errorf("it ended: %s", c.cmd.ProcessState)
	case <-late.C:
		return c, fmt.Errorf("it is not ready after %s", p.Patience)
	case <-ctx.Done():
		return c, ctx.Err()
	}
}

// environment is all that the program is told. Nothing of this process's own goes in: it may hold real keys.
func (p *play) environment() []string {
	return []string{
		"HOOKSAGA_LISTEN=127.0.0.1:0", "HOOKSAGA_ADMIN_LISTEN=127.0.0.1:0",
		"HOOKSAGA_STORE=sqlite:" + filepath.Join(p.dir, "hooksaga.db"), "HOOKSAGA_BUS=inprocess",
		"HOOKSAGA_LEASE=" + lease.String(), "HOOKSAGA_LOG_FORMAT=json",
		"STRIPE_KEY=" + stripeKey, "STRIPE_API_BASE=http://" + p.world.stripeAt,
		"STRIPE_WEBHOOK_SECRET=" + stripeSecret, "ORDERS_WEBHOOK_SECRET=" + ordersSecret,
		"HOOKSAGA_CALLBACK_URL=http://" + p.world.callbacksAt, "HOOKSAGA_CALLBACK_SECRET=" + callbackSecret,
	}
}

func (c *program) running() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// kill ends the process with SIGKILL and waits until it is gone.
func (c *program) kill() {
	if !c.running() {
		return
	}
	_ = c.cmd.Process.Kill() // fails only if it has just ended
	<-c.ended
}

// killed reports whether it was SIGKILL that ended the process.
func (c *program) killed() bool {
	return !c.running() && c.cmd.ProcessState != nil && c.cmd.ProcessState.String() == "signal: killed"
}

func (c *program) webhooks(provider string) string {
	return "http://" + c.public + "/webhooks/" + provider
}

// explain writes the end of the program's log.
func (c *program) explain(to io.Writer) {
	const lines = 20
	if c == nil {
		return
	}
	raw, err := os.ReadFile(c.log)
	if err != nil {
		raw = []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	_, _ = fmt.Fprintf(to, "the log of hooksaga serve, pid %d, ends:\n", c.pid)
	for _, l := range all[max(0, len(all)-lines):] {
		_, _ = fmt.Fprintf(to, "  %s\n", l)
	}
}

// announcement passes the program's log on, and waits for the line that names the addresses.
type announcement struct {
	to    io.Writer
	ready chan struct{}
	once  sync.Once
	part  []byte

	listen, admin string // once ready is closed
}

// Write implements io.Writer. It is called by one goroutine.
func (a *announcement) Write(b []byte) (int, error) {
	select {
	case <-a.ready:
	default:
		a.part = append(a.part, b...)
		for {
			line, rest, whole := bytes.Cut(a.part, []byte("\n"))
			if !whole {
				break
			}
			a.part = rest
			a.read(line)
		}
	}
	return a.to.Write(b)
}

func (a *announcement) read(line []byte) {
	var said struct {
		Msg, Listen, Admin string
	}
	if json.Unmarshal(line, &said) == nil && strings.HasSuffix(said.Msg, "is ready") && said.Listen != "" && said.Admin != "" {
		a.once.Do(func() {
			a.listen, a.admin = said.Listen, said.Admin
			close(a.ready)
		})
	}
}
