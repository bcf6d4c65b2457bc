package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/internal/cli/check"
	"github.com/hooksaga/hooksaga/internal/config"
)

func (c *cli) check() *cobra.Command {
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "check", Short: "Look at store, Kafka, Stripe key and secrets as serve would use them, and say what to do",
		Long: "Look at everything that serve would use, with serve's settings: the store (is it there, which version, is its schema up to\n" +
			"date, may this role do what serve does), Kafka (brokers, TLS, SASL, topics, consumer group), the Stripe key and the\n" +
			"secrets of webhooks. Nothing is changed and nothing is charged. One line for each: ok, warn or FAIL, and what to do\n" +
			"next. With a FAIL the exit code is 1.",
		Example: "  hooksaga check\n  hooksaga check --config production.yaml --live-call -o json",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage("--timeout is %v, not a duration above 0", timeout)
			}
			cfg, err := c.load(cmd, false, nil)
			var mistakes error
			if bad, ok := errors.AsType[config.Errors](err); ok {
				mistakes = bad
			} else if err != nil {
				return err
			}
			found := check.Run(cmd.Context(), cfg, mistakes, check.Options{LiveCall: live, Timeout: timeout, Compiled: c.Providers})
			err = list(c, cmd, "checks", all(found), columns[check.Finding]{[]string{"STATUS", "WHAT", "FOUND", "WHAT TO DO"},
				func(f check.Finding) []string { return []string{f.Status, f.What, f.Found, f.Next} }})
			if err != nil {
				return err
			}
			failed := 0
			for _, f := range found {
				if f.Status == check.Fail {
					failed++
				}
			}
			if failed > 0 {
				return &Error{Exit: ExitError, Err: fmt.Errorf("%d of %d checks failed", failed, len(found))}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&live, "live-call", false, "ask Stripe, by one GET, whether it takes the key")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "longest wait for one answer")
	configFlags(cmd)
	return cmd
}
