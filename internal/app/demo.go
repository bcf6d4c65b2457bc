package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hooksaga/hooksaga/internal/demo"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Demo plays the demonstration, with this very binary as the hooksaga that it is about.
func (a *App) Demo(ctx context.Context) error {
	for _, name := range demo.Sagas() {
		if !slices.ContainsFunc(a.Sagas, func(d saga.Definition) bool { return d.Name() == name }) {
			return fmt.Errorf("this binary has no saga %s, which the demo is about", name)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program to demonstrate: %w", err)
	}
	return demo.Run(ctx, demo.Options{Executable: self, Stdout: a.Stdout, Stderr: a.Stderr,
		Color: terminal(a.Stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"})
}

// terminal reports whether what is written is shown at once, to a person (see also no-color.org).
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
