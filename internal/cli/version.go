package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/internal/console"
)

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version",
		Example: "  hooksaga version -o json",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := c.Version
			return show(c, cmd, v, func(t *table) {
				t.row("hooksaga", v.Version)
				for _, f := range [][2]string{{"commit", v.Commit}, {"built", v.Built}, {"go", v.Go}} {
					if f[1] != "" {
						t.row(f[0], f[1])
					}
				}
			})
		},
	}
}

func (c *cli) health() *cobra.Command {
	var url string
	var ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "Ask a running serve whether it is well",
		Long:    "Ask a running serve whether it is alive or, with --ready, whether it can do its work. The exit code is 0 if it is: made\nfor the health check of a container.",
		Example: "  hooksaga health\n  hooksaga health --ready --url http://127.0.0.1:8081",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, true, nil)
			if err != nil {
				return err
			}
			base, path := url, "/healthz"
			if base == "" {
				base = reach(cfg.Listen)
			}
			if ready {
				path = "/readyz"
			}
			return c.ask(cmd, base+path)
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "where it listens (default HOOKSAGA_LISTEN)")
	cmd.Flags().BoolVar(&ready, "ready", false, "whether it can do its work, not only whether it is alive")
	return cmd
}

func (c *cli) ask(cmd *cobra.Command, url string) error {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url, nil)
	if err != nil {
		return usage("--url: %w", err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return &Error{ExitError, fmt.Errorf("nobody answers: %w", err), "start `hooksaga serve`, or name its address with --url"}
	}
	defer res.Body.Close()
	var v console.HealthView
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil || v.Status == "" {
		return &Error{ExitError, fmt.Errorf("%s answered %s, and not as hooksaga does", url, res.Status), "check --url"}
	}
	err = show(c, cmd, v, func(t *table) {
		t.row("status", v.Status)
		for _, one := range v.Checks {
			t.row(one.Name, one.Status, one.Error)
		}
	})
	if err == nil && res.StatusCode != http.StatusOK {
		err = &Error{ExitError, fmt.Errorf("%s answered %s", url, res.Status), "its log says more"}
	}
	return err
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// reach is the URL under which this machine reaches a listener.
func reach(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
