package hooksaga

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/internal/app"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Option adds to, or replaces, what Run works with.
type Option func(*program)

type program struct {
	app     app.App
	args    []string
	environ []string
	stdin   io.Reader
}

// Sagas adds sagas. None run but those given, so a binary has what its main says: sagas.All() for the built-in ones.
func Sagas(defs ...saga.Definition) Option {
	return func(p *program) { p.app.Sagas = append(p.app.Sagas, defs...) }
}

// Providers adds senders of webhooks, each mounted at /webhooks/{name} when {NAME}_WEBHOOK_SECRET is set.
func Providers(ps ...ingest.Provider) Option {
	return func(p *program) { p.app.Providers = append(p.app.Providers, ps...) }
}

// Commands adds handlers of commands.
func Commands(register func(*commands.Router)) Option {
	return func(p *program) { p.app.Commands = append(p.app.Commands, register) }
}

// Args replaces os.Args[1:], for tests.
func Args(args ...string) Option { return func(p *program) { p.args = args } }

// Environ replaces os.Environ(), for tests.
func Environ(environ ...string) Option { return func(p *program) { p.environ = environ } }

// Output replaces the standard streams, for tests.
func Output(stdout, stderr io.Writer) Option {
	return func(p *program) { p.app.Stdout, p.app.Stderr = stdout, stderr }
}

// Run does what the command line says (serve, demo, sagas list …) with these sagas, until it is done or ctx is. Every
// mistake in a definition or registration is reported, at once, before anything starts.
func Run(ctx context.Context, opts ...Option) error {
	p := &program{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin}
	p.app.Stdout, p.app.Stderr = os.Stdout, os.Stderr
	for _, o := range opts {
		o(p)
	}
	if err := p.check(); err != nil {
		return err
	}
	names := make([]string, len(p.app.Providers))
	for i, provider := range p.app.Providers {
		names[i] = provider.Name()
	}
	return cli.New(cli.Deps{Args: p.args, Environ: p.environ, Stdin: p.stdin, Stdout: p.app.Stdout, Stderr: p.app.Stderr,
		ReadFile: os.ReadFile, Version: app.Version(), Sagas: p.app.Sagas, Providers: names, App: p.app.CLI()}).ExecuteContext(ctx)
}

// check reports every mistake that can be seen without a configuration.
func (p *program) check() error {
	var errs []error
	seen := map[string]bool{}
	for _, d := range p.app.Sagas {
		errs = append(errs, d.Check())
		if seen[d.Name()] {
			errs = append(errs, fmt.Errorf("two sagas are called %q", d.Name()))
		}
		seen[d.Name()] = true
	}
	var router commands.Router
	for _, register := range p.app.Commands {
		register(&router)
	}
	return errors.Join(append(errs, router.Check())...)
}

// Report prints an error of Run for people, with what to do about it, and returns the code to exit with: 0 for none, 1 for
// an error, 2 for a wrong command line, 3 for what was not found, 4 for a conflict.
func Report(stderr io.Writer, err error) int {
	cli.Print(stderr, err)
	return cli.ExitCode(err)
}
