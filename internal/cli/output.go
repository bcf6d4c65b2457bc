package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

const (
	formatTable = "table"
	formatJSON  = "json"
	formatLines = "jsonl"
)

// tableLimit is after how many rows a table is cut unless --limit says otherwise.
const tableLimit = 100

// columns is how rows of a table are made.
type columns[V any] struct {
	heads []string
	row   func(V) []string
}

// list prints values as they come. name is the member of the JSON object that holds them, as in the audit API.
func list[V any](c *cli, cmd *cobra.Command, name string, values iter.Seq2[V, error], cols columns[V]) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	err := func() error {
		switch c.format {
		case formatJSON:
			return listJSON(out, name, values)
		case formatLines:
			for v, err := range values {
				if err != nil {
					return err
				}
				if err := line(out, v); err != nil {
					return err
				}
			}
			return nil
		}
		t := newTable(out, cols.heads...)
		for v, err := range values {
			if err != nil {
				return err
			}
			t.row(cols.row(v)...)
		}
		return t.flush()
	}()
	if err != nil {
		return err
	}
	return out.Flush()
}

func listJSON[V any](out io.Writer, name string, values iter.Seq2[V, error]) error {
	sep := "{" + strconv.Quote(name) + ":[\n"
	for v, err := range values {
		if err != nil {
			return err
		}
		body, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, sep+string(body)); err != nil {
			return err
		}
		sep = ",\n"
	}
	end := "\n]}\n"
	if sep[0] == '{' {
		end = strings.TrimSpace(sep) + "]}\n"
	}
	_, err := io.WriteString(out, end)
	return err
}

// show prints one value: as JSON, or as people prints it.
func show(c *cli, cmd *cobra.Command, v any, people func(*table)) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	switch c.format {
	case formatTable:
		t := newTable(out)
		people(t)
		if err := t.flush(); err != nil {
			return err
		}
	case formatLines:
		if err := line(out, v); err != nil {
			return err
		}
	default:
		body, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if _, err := out.Write(append(body, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

func line(out io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(body, '\n'))
	return err
}

// table aligns columns. Cells are made harmless.
type table struct {
	tabs *tabwriter.Writer
	out  io.Writer
}

func newTable(out io.Writer, heads ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), out}
	if len(heads) > 0 {
		t.row(heads...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = clean(cell)
	}
	_, _ = fmt.Fprintln(t.tabs, strings.TrimRight(strings.Join(cells, "\t"), "\t")) // Flush reports the error
}

// section ends what was aligned so far and begins anew under a title.
func (t *table) section(title string, heads ...string) {
	_ = t.tabs.Flush()
	_, _ = fmt.Fprintf(t.out, "\n%s\n", title)
	t.row(heads...)
}

// text writes lines that are not aligned.
func (t *table) text(s string) {
	_ = t.tabs.Flush()
	_, _ = fmt.Fprintln(t.out, s)
}

func (t *table) flush() error { return t.tabs.Flush() }

// clean escapes what would move a terminal's cursor, or a table's column.
func clean(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	inner := quoted[1 : len(quoted)-1]
	if strings.ReplaceAll(inner, `\"`, `"`) == s {
		return s
	}
	return strings.ReplaceAll(inner, `\"`, `"`)
}

// indented is JSON for people; control characters are escaped in it already.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return clean(string(raw))
	}
	return b.String()
}

const timeLayout = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// note tells people something that is not data.
func note(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
}
