package demo

import (
	"errors"
	"fmt"
	"strings"
)

// findings gathers where things are not as they should be.
type findings struct{ all []string }

// equal wants two things to read the same.
func (f *findings) equal(what string, got, want any) {
	g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)
	if g != w {
		f.all = append(f.all, fmt.Sprintf("%s: %s, not %s", what, g, w))
	}
}

func (f *findings) none() bool { return len(f.all) == 0 }

func (f *findings) err() error {
	if f.none() {
		return nil
	}
	return errors.New(strings.Join(f.all, "; "))
}
