package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/config"
)

// Secrets of hooksaga dev.
const (
	devStripeSecret = chargetest.DevSecret
	devOrdersSecret = "whsec_dev_orders"
)

func (c *cli) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Take webhooks, run sagas, carry out commands",
		Long: "Take webhooks, run sagas, carry out commands, until interrupted. Settings come from flags, the environment and a YAML\n" +
			"file, in this order; secrets have no flags. `hooksaga config keys` lists all of them.",
		Example: `  STRIPE_WEBHOOK_SECRET=whsec_… STRIPE_KEY=sk_test_… hooksaga serve
  PAYMENTS_MODE=webhook-receiver hooksaga serve --config hooksaga.yaml`,
		Args: args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, false, nil)
			if err != nil {
				return err
			}
			if err := lacks(c.App.Serve == nil, "serve"); err != nil {
				return err
			}
			return c.App.Serve(cmd.Context(), cfg)
		},
	}
	configFlags(cmd)
	return cmd
}

func (c *cli) dev() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dev", Short: "serve, with a Stripe simulator and a receiver of callbacks built in",
		Long: "Run serve on this machine alone, with a Stripe simulator and a receiver of callbacks built in, and with secrets of its\n" +
			"own where none are set. Nothing leaves the machine. Use `hooksaga trigger` to send it webhooks.",
		Example: "  hooksaga dev\n  hooksaga dev --store sqlite:scratch.db",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, false, devDefaults())
			if err != nil {
				return err
			}
			if cfg.Env == config.Production {
				return &Error{ExitError, errors.New("dev does not run where HOOKSAGA_ENV is production"), "use `hooksaga serve`, or unset HOOKSAGA_ENV"}
			}
			if !config.Loopback(cfg.Listen) || !config.Loopback(cfg.AdminListen) {
				return &Error{ExitError, errors.New("dev listens on loopback only: its secrets are known to everybody"), "unset HOOKSAGA_LISTEN and HOOKSAGA_ADMIN_LISTEN, or use `hooksaga serve`"}
			}
			if err := lacks(c.App.Dev == nil, "dev"); err != nil {
				return err
			}
			return c.App.Dev(cmd.Context(), cfg)
		},
	}
	configFlags(cmd)
	return cmd
}

func (c *cli) demo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Play a story of orders, declines and crashes, and check how it ended",
		Example: "  hooksaga demo",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := lacks(c.App.Demo == nil, "demo"); err != nil {
				return err
			}
			return c.App.Demo(cmd.Context())
		},
	}
}

func (c *cli) simulator() *cobra.Command {
	var listen, url string
	cmd := &cobra.Command{
		Use: "simulator", Short: "Run the Stripe simulator alone",
		Long: "Run the Stripe simulator until interrupted. Point STRIPE_API_BASE of a serve at it. Its webhooks are signed with the\n" +
			"first secret of STRIPE_WEBHOOK_SECRET, or with one for development if that is not set.",
		Example: "  hooksaga simulator --listen 127.0.0.1:12111 --webhooks http://127.0.0.1:8080/webhooks/stripe",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, true, map[string]string{"stripe_webhook_secret": devStripeSecret})
			if err != nil {
				return err
			}
			if err := lacks(c.App.Simulator == nil, "simulator"); err != nil {
				return err
			}
			return c.App.Simulator(cmd.Context(), Simulation{listen, url, cfg.WebhookSecrets("stripe")[0]})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:12111", "address of the simulated API")
	cmd.Flags().StringVar(&url, "webhooks", "", "URL that its webhooks are sent to; none are sent without")
	return cmd
}
