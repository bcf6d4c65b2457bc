package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
)

// Options of Run. Executable and Stdout are needed.
type Options struct {
	Executable string    // hooksaga; is run with the argument serve
	Stdout     io.Writer // the stories, and how their checks ended
	Stderr     io.Writer // the end of the program's log where a check failed; nil: nothing
	Color      bool
	TempDir    string        // in which the demo makes its own directory; "" is the system's
	Only       []int         // the numbers of the stories to play; none: all
	Patience   time.Duration // for each thing that is to happen; 0 is 30 s
	Outside    Outside
}

// Outside is how the world around the program behaves. The zero value behaves.
type Outside struct {
	Faults []chargetest.Fault                        // of the simulator, before those that belong to a story
	Stripe func(http.Handler) http.Handler           // stands between the program and the simulator
	Answer func(c notify.Callback, delivery int) int // of the receiver of callbacks; see notify.ReceiverConfig
	// Send posts the webhooks that the demo itself sends: those of the shop, and of Stripe where no payment causes them.
	Send func(*http.Request) (*http.Response, error)
}

// Failed is the error of a demo in which not every check held.
type Failed struct{ Held, Of int }

// Error implements error.
func (f *Failed) Error() string { return fmt.Sprintf("%d of %d checks held", f.Held, f.Of) }

// Sagas names the sagas that the stories are about, which the executable has to have.
func Sagas() []string {
	return []string{"cancel-access", "order-payment", "payments-completed", "subscription-access"}
}

const patience = 30 * time.Second

// Run plays the stories, one after the other, and returns nil only if every check held. The last line it writes says how
// many did, unless ctx ended before. A story that fails does not keep the next from being played.
func Run(ctx context.Context, o Options) (err error) {
	o.Patience = cmp.Or(o.Patience, patience)
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	dir, err := os.MkdirTemp(o.TempDir, "hooksaga-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := newWorld(ctx, o.Outside)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	p := &play{Options: o, world: w, dir: dir, out: printer{o.Stdout, o.Color}}
	defer p.kill()

	p.out.line("hooksaga demo: six stories on SQLite, the in-process bus and a simulated Stripe")
	held, of := 0, 0
	for i, story := range stories() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, i+1) {
			continue
		}
		of++
		if p.tell(ctx, i+1, story) {
			held++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	p.out.blank()
	p.out.line(fmt.Sprintf("demo: %d of %d checks held", held, of))
	if held < of {
		return &Failed{held, of}
	}
	return nil
}

// play is a demo under way.
type play struct {
	Options
	world   *world
	dir     string
	out     printer
	program *program // that runs, or has run; nil before the first
	logs    int
}

// story is one thing that can happen. play returns what held, in a few words, or what differed.
type story struct {
	title string
	play  func(context.Context, *scene) (string, error)
}

// tell plays one story, shows what happened, and reports whether its check held.
func (p *play) tell(ctx context.Context, number int, s story) bool {
	p.out.title(number, s.title)
	held, err := "", p.ready(ctx)
	if err == nil {
		sc := p.scene()
		if held, err = s.play(ctx, sc); ctx.Err() == nil {
			err = errors.Join(err, sc.show(ctx))
			sc.sum()
		}
	}
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		p.out.failed(number, s.title, err)
		p.program.explain(p.Stderr)
		return false
	}
	p.out.ok(number, held)
	return true
}

// ready starts the program unless it runs, and points Stripe at it.
func (p *play) ready(ctx context.Context) error {
	if !p.program.running() {
		p.logs++
		started, err := p.start(ctx)
		p.program = started
		if err != nil {
			p.kill()
			return fmt.Errorf("start hooksaga serve: %w", err)
		}
	}
	p.world.sendTo(p.program.webhooks("stripe"))
	return nil
}

func (p *play) kill() { p.program.kill() }
