package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) migrate() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the store's schema up to date", Example: "  hooksaga migrate up",
		Args: cobra.ArbitraryArgs, RunE: group}
	up := &cobra.Command{
		Use: "up", Short: "Apply what is missing; it is safe to run it twice, or twice at once",
		Example: "  hooksaga migrate up --store postgres://owner@localhost/hooksaga",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, true, nil)
			if err != nil {
				return err
			}
			if err := lacks(c.App.Migrate == nil, "migrate"); err != nil {
				return err
			}
			if err := c.App.Migrate(cmd.Context(), cfg); err != nil {
				return &Error{ExitCode(err), fmt.Errorf("migrate %s: %w", cfg.Store, err), "check --store; the role needs the right to create tables"}
			}
			note(cmd, "%s is up to date", cfg.Store)
			return nil
		},
	}
	status := &cobra.Command{
		Use: "status", Short: "Show which migrations are applied",
		Example: "  hooksaga migrate status -o json",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(cmd, true, nil)
			if err != nil {
				return err
			}
			if err := lacks(c.App.MigrationStatus == nil, "migrate"); err != nil {
				return err
			}
			state, err := c.App.MigrationStatus(cmd.Context(), cfg)
			if err != nil {
				return unopened(cfg, err)
			}
			rows, err := flat(state)
			if err != nil {
				return err
			}
			return list(c, cmd, "migrations", all(rows), columns[object]{rows.heads(), object.cells})
		},
	}
	cmd.AddCommand(up, status)
	return cmd
}

// object is a flat JSON object whose members keep their order.
type object struct {
	raw    json.RawMessage
	names  []string
	values []string
}

func (o object) MarshalJSON() ([]byte, error) { return o.raw, nil }
func (o object) cells() []string              { return o.values }

type objects []object

func (os objects) heads() []string {
	if len(os) == 0 {
		return []string{"(NONE)"}
	}
	var heads []string
	for _, n := range os[0].names {
		heads = append(heads, strings.ToUpper(n))
	}
	return heads
}

// flat reads what encodes as an array of flat objects.
func flat(v any) (objects, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, errors.New("the state of migrations is not a list")
	}
	var out objects
	for _, raw := range raws {
		o := object{raw: raw}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if _, err := dec.Token(); err != nil {
			return nil, err
		}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			var value any
			if err := dec.Decode(&value); err != nil {
				return nil, err
			}
			o.names, o.values = append(o.names, fmt.Sprint(name)), append(o.values, fmt.Sprint(value))
		}
		out = append(out, o)
	}
	return out, nil
}
