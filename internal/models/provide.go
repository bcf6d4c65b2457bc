package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// provide installs spin and a C compiler where they are missing and that can be done, and names both otherwise.
func provide(ctx context.Context, log io.Writer) error {
	var missing []string
	var advice []error
	for _, need := range []struct {
		program  string
		packages []string
	}{{"spin", []string{"spin"}}, {"gcc", []string{"gcc", "libc6-dev"}}} {
		if _, err := exec.LookPath(need.program); err != nil {
			missing = append(missing, need.packages...)
			advice = append(advice, fmt.Errorf("no %s on PATH: install it (Debian: apt-get install %s)", need.program, strings.Join(need.packages, " ")))
		}
	}
	apt, err := exec.LookPath("apt-get")
	switch {
	case len(missing) == 0:
		return nil
	case err != nil || os.Geteuid() != 0:
		return errors.Join(advice...)
	}
	fmt.Fprintf(log, "models: installing with apt-get: %s\n", strings.Join(missing, " "))
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-qq", "--yes", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return errors.Join(append(advice, fmt.Errorf("apt-get %s: %w", args[0], err))...)
		}
	}
	return nil
}
