package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hooksaga/hooksaga/internal/config"
)

// isSetting marks the flags that configFlags makes.
const isSetting = "setting"

// configFlags adds a flag for each setting that may have one. They are texts: package config reads them, so that a bad
// value is reported alike wherever it comes from.
func configFlags(cmd *cobra.Command) {
	for _, k := range config.Describe() {
		if k.Flag != "" && k.Flag != "store" {
			cmd.Flags().String(k.Flag, "", k.Text+" ("+k.Env+")")
			cmd.Flags().Lookup(k.Flag).Annotations = map[string][]string{isSetting: nil}
		}
	}
}

// given is the flags of the configuration that were set.
func given(cmd *cobra.Command) map[string]string {
	out := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if _, ok := f.Annotations[isSetting]; ok || f.Name == "store" {
			out[f.Name] = f.Value.String()
		}
	})
	return out
}

func (c *cli) config() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show the configuration", Example: "  hooksaga config print",
		Args: cobra.ArbitraryArgs, RunE: group}
	print := &cobra.Command{
		Use: "print", Short: "Print every setting and where it comes from, then check them all",
		Long:    "Print every setting and where it comes from. Secrets are shown as fingerprints. Then check them as serve does:\nevery mistake is reported, and the exit code is 1.",
		Example: "  hooksaga config print\n  hooksaga config print --config production.yaml -o json",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, bad := c.load(cmd, false, nil)
			err := list(c, cmd, "settings", all(cfg.Settings()), columns[config.Setting]{[]string{"KEY", "VALUE", "FROM"},
				func(s config.Setting) []string { return []string{s.Key, s.Value, s.From} }})
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings() {
				note(cmd, "warning: %s: %s: %s", w.Code, w.Key, w.Text)
			}
			return bad
		},
	}
	configFlags(print)
	keys := &cobra.Command{
		Use: "keys", Short: "List every setting there is",
		Example: "  hooksaga config keys",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(c, cmd, "keys", all(config.Describe()), columns[config.Key]{[]string{"VARIABLE", "FILE", "DEFAULT", "WHAT IT IS"},
				func(k config.Key) []string { return []string{k.Env, k.YAML, k.Default, k.Text} }})
		},
	}
	cmd.AddCommand(print, keys)
	return cmd
}

// all yields what is at hand already.
func all[V any](vs []V) func(func(V, error) bool) {
	return func(yield func(V, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// devDefaults are what dev assumes where nothing is said: everything but safe, and all of it recognisable.
func devDefaults() map[string]string {
	return map[string]string{
		"stripe_webhook_secret": devStripeSecret,
		"orders_webhook_secret": devOrdersSecret,
		"stripe_key":            "sk_test_hooksaga_dev",
		"callback_secret":       "whsec_aG9va3NhZ2EgZGV2ZWxvcG1lbnQgb25seQ==",
		"log_format":            "text",
	}
}
