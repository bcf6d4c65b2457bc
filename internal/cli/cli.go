package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Deps is what the command line works with.
type Deps struct {
	Args           []string // without the program's name
	Environ        []string // as os.Environ returns it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	ReadFile       func(string) ([]byte, error) // os.ReadFile
	HTTP           *http.Client                 // for trigger and health; nil is one of its own with a timeout
	Now            func() time.Time             // nil is time.Now

	Version   console.Version
	Sagas     []saga.Definition // compiled in
	Providers []string          // compiled in, beside stripe
	App       App
}

// App is what is started. Functions that run until ctx ends return nil then. A nil function is a command that this binary
// does not have.
type App struct {
	Serve     func(context.Context, config.Config) error
	Dev       func(context.Context, config.Config) error
	Demo      func(context.Context) error
	Simulator func(context.Context, Simulation) error
	// OpenStore opens the configured store; read only, beside a process that writes.
	OpenStore       func(ctx context.Context, c config.Config, readOnly bool) (*eventstore.Store, error)
	Migrate         func(context.Context, config.Config) error
	MigrationStatus func(context.Context, config.Config) (any, error) // a value that encodes as a JSON array of flat objects
	// Deliverable tells which commands a process of this configuration executes; a nil function is not known. It is asked
	// with what was read from this command line's own surroundings.
	Deliverable func(config.Config) func(command string) bool
	// Redrive marks parked inputs of an instance to be run again, and returns how many.
	Redrive func(ctx context.Context, s *eventstore.Store, saga, key, reason string) (int, error)
	// BuildEvent makes the body of a webhook as the provider would send it, fields replaced as sets ("amount=4200") say.
	BuildEvent func(eventType string, sets []string) ([]byte, error)
	// SignStripe makes a Stripe-Signature header; nil is one as Stripe's CLI makes it (t, v1, v0).
	SignStripe func(body []byte, secret string, at time.Time) string
}

// Simulation is a Stripe simulator to be run.
type Simulation struct {
	Listen     string
	WebhookURL string // where its webhooks go; "" sends none
	Secret     config.Secret
}

// httpTimeout is how long trigger and health wait for an answer.
const httpTimeout = 15 * time.Second

// cli is the command line at work.
type cli struct {
	Deps
	format string // -o
	file   string // --config

	// deliverable tells which commands somebody executes, as far as the configuration says; nil: it does not.
	deliverable func(command string) bool
}

// New returns the root command. It writes nothing but what its commands say, and returns errors instead of printing them:
// see Run.
func New(d Deps) *cobra.Command {
	c := &cli{Deps: d}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: httpTimeout}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	root := &cobra.Command{
		Use:   "hooksaga",
		Short: "Sagas on webhooks: from a signed POST to a charge, every step stored",
		Long: "Sagas on webhooks: from a signed POST to a charge, every step stored.\n\n" +
			"Data goes to stdout, messages to stderr. Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 conflict.",
		Example: `  hooksaga demo
  hooksaga serve --store postgres://hooksaga@localhost/hooksaga
  hooksaga events list --type 'payment_intent.*'`,
		SilenceUsage: true, SilenceErrors: true,
		Version: d.Version.Version,
		Args:    cobra.ArbitraryArgs, RunE: group,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if c.format != formatTable && c.format != formatJSON && c.format != formatLines {
				return usage("-o is %q; allowed are table, json, jsonl", c.format)
			}
			return nil
		},
	}
	root.SetArgs(d.Args)
	root.SetIn(d.Stdin)
	root.SetOut(d.Stdout)
	root.SetErr(d.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageHint("`"+cmd.CommandPath()+" --help` lists the flags", "%w", err)
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&c.format, "output", "o", formatTable, "output: table, json or jsonl")
	flags.StringVar(&c.file, "config", "", "YAML file (default "+config.DefaultFile+", if there is one)")
	flags.String("store", "", "event store: sqlite:FILE or postgres://… (HOOKSAGA_STORE)")
	root.AddCommand(c.serve(), c.dev(), c.demo(), c.simulator(), c.trigger(), c.events(), c.streams(), c.sagas(), c.commands(),
		c.redrive(), c.storeVerbs(), c.migrate(), c.config(), c.check(), c.health(), c.version())
	return root
}

// Run executes the command line, prints its error, and returns the exit code.
func Run(ctx context.Context, d Deps) int {
	err := New(d).ExecuteContext(ctx)
	Print(d.Stderr, err)
	return ExitCode(err)
}

// group is a command that only has others.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := "`" + cmd.CommandPath() + " --help` lists the commands"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageHint(hint, "unknown command %q for %q", args[0], cmd.CommandPath())
}

// args checks how many arguments there are.
func args(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if len(given) != n {
			return usageHint("usage: "+cmd.UseLine(), "%s takes %s, not %d arguments", cmd.CommandPath(), what, len(given))
		}
		return nil
	}
}

// load reads the configuration.
func (c *cli) load(cmd *cobra.Command, reading bool, defaults map[string]string) (config.Config, error) {
	cfg, err := config.Load(config.Input{Flags: given(cmd), Environ: c.Environ, File: c.file, ReadFile: c.ReadFile,
		Providers: c.Providers, Reading: reading, Defaults: defaults})
	if err != nil {
		return cfg, &Error{Exit: ExitError, Err: err, Hint: "`hooksaga config print` shows every value and where it comes from"}
	}
	return cfg, nil
}

// lacks is the error of a command that this binary does not have; nil if it has it.
func lacks(is bool, name string) error {
	if !is {
		return nil
	}
	return &Error{Exit: ExitError, Err: fmt.Errorf("this binary has no %s", name)}
}
