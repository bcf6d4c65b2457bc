package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// need is something this machine lacks.
type need struct {
	what     string   // is missing
	variable string   // that would make it unnecessary; "": none
	packages []string // of Debian that bring it
}

// missing lists what has to be installed before the servers can start.
func missing(cc, postgres, kafka bool) (needs []need) {
	if cc && !found("gcc") && !found("clang") && !found("cc") {
		needs = append(needs, need{what: "no C compiler on PATH (the race detector needs one)", packages: []string{"gcc", "libc6-dev"}})
	}
	if postgres {
		if _, err := pgtest.Installed(); err != nil {
			needs = append(needs, need{err.Error(), pgtest.Variable, []string{"postgresql"}})
		}
	}
	if kafka {
		err := kafkatest.Installed()
		var packages []string
		if errors.Is(err, kafkatest.ErrNoJava) {
			packages = append(packages, "default-jre-headless")
		}
		if errors.Is(err, kafkatest.ErrNoMaven) {
			packages = append(packages, "maven")
		}
		if err != nil {
			needs = append(needs, need{strings.ReplaceAll(err.Error(), "\n", "; "), kafkatest.Variable, packages})
		}
	}
	return needs
}

func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// install brings what is missing where that can be done, and names both ways out where it cannot.
func (e *environment) install(ctx context.Context, needs []need) error {
	if len(needs) == 0 {
		return nil
	}
	var packages []string
	var advice []error
	for _, n := range needs {
		packages = append(packages, n.packages...)
		ways := "install it (Debian: apt-get install " + strings.Join(n.packages, " ") + ")"
		if n.variable != "" {
			ways = "set " + n.variable + ", or " + ways
		}
		advice = append(advice, fmt.Errorf("%s: %s", n.what, ways))
	}
	if e.apt == "" {
		return errors.Join(advice...)
	}
	slices.Sort(packages)
	fmt.Fprintf(e.log, "testenv: installing with apt-get: %s\n", strings.Join(packages, " "))
	if err := e.run(ctx, "update", "-qq"); err != nil {
		return errors.Join(append(advice, err)...)
	}
	if err := e.run(ctx, append([]string{"install", "-qq", "--yes", "--no-install-recommends"}, packages...)...); err != nil {
		return errors.Join(append(advice, err)...)
	}
	return nil
}

func (e *environment) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, e.apt, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = e.log, e.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}

// aptGet is the path of apt-get where this process may install with it, and "" elsewhere.
func aptGet() string {
	if os.Geteuid() != 0 {
		return ""
	}
	path, err := exec.LookPath("apt-get")
	if err != nil {
		return ""
	}
	return path
}
