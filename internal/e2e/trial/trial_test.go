package trial

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSetupIsParsedBesideACommandsOwnFlags(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) (s Setup, own int, err error) {
		flags := flag.NewFlagSet("try", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.IntVar(&own, "own", 1, "")
		err = s.Parse(flags, args)
		return s, own, err
	}
	if s, own, err := parse(); err != nil || s != (Setup{SQLite, InProcess}) || own != 1 {
		t.Errorf("by default %+v, %d (%v)", s, own, err)
	}
	if s, own, err := parse("-bus", "kafka", "-own", "2", "-store", "postgres"); err != nil || s != (Setup{Postgres, Kafka}) || own != 2 {
		t.Errorf("got %+v, %d (%v)", s, own, err)
	}
	for _, args := range [][]string{{"-store", "mysql"}, {"-bus", "rabbit"}, {"-nope"}, {"extra"}} {
		if _, _, err := parse(args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// verdict is a result that is printed as it is.
type verdict string

func (v verdict) Differs() bool { return v != "ok" }

func (v verdict) Print(to io.Writer) bool {
	fmt.Fprint(to, string(v))
	return !v.Differs()
}

func TestFilesAreKeptWhereSomethingDiffers(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	over, end := context.WithCancel(t.Context())
	end()
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		ctx  context.Context
		plan verdict
		err  error
		code int
		kept bool
	}{
		"ok":              {t.Context(), "ok", nil, 0, false},
		"differs":         {t.Context(), "bad", nil, 1, true},
		"fails":           {t.Context(), "ok", failed, 1, true},
		"was interrupted": {over, "bad", failed, 1, false},
		"misused":         {t.Context(), "", nil, 2, false},
	} {
		dir := filepath.Join(temp, "never made")
		try := Command[verdict, verdict]{Name: "try",
			Parse: func(args []string, _ io.Writer) (verdict, error) {
				if args[0] == "" {
					return "", failed
				}
				return verdict(args[0]), nil
			},
			Play: func(_ context.Context, plan verdict, made string, _ io.Writer) (verdict, error) {
				dir = made
				return plan, errors.Join(c.err, os.WriteFile(filepath.Join(dir, "evidence"), nil, 0o600))
			}}
		var stdout, stderr strings.Builder
		code := try.Run(c.ctx, []string{string(c.plan)}, &stdout, &stderr)
		printed := c.code < 2 && c.err == nil
		if code != c.code || (stdout.String() == string(c.plan)) != printed && c.plan != "" || strings.Contains(stderr.String(), "try: failed\n") == printed {
			t.Errorf("%s: exit %d, printed %q, said %q", name, code, &stdout, &stderr)
		}
		_, gone := os.Stat(filepath.Join(dir, "evidence"))
		if kept := gone == nil; kept != c.kept || strings.Contains(stderr.String(), dir) != c.kept {
			t.Errorf("%s: kept %v, want %v; said %q", name, kept, c.kept, &stderr)
		}
	}
}

func TestDifferencesAreCapped(t *testing.T) {
	t.Parallel()
	for most, want := range map[int]string{2: "a\nb\n… and 1 more\n", 3: "a\nb\nc\n"} {
		var out strings.Builder
		if PrintDifferences(&out, []string{"a", "b", "c"}, most); out.String() != want {
			t.Errorf("at most %d: %q", most, &out)
		}
	}
}

func TestAStandstillBeginsAnewWithEachMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var still Standstill[int]
		for i, c := range []struct {
			now  int
			want time.Duration
		}{{0, 0}, {0, time.Minute}, {0, 2 * time.Minute}, {1, 0}, {1, time.Minute}, {0, 0}} {
			if got := still.Look(c.now); got != c.want {
				t.Errorf("look %d: %s, want %s", i, got, c.want)
			}
			<-time.After(time.Minute)
		}
	})
}

func TestWhatWasMadeLastIsTakenBackFirst(t *testing.T) {
	t.Parallel()
	var p Place
	var order []string
	failed := errors.New("failed")
	for _, name := range []string{"server", "database", "listener"} {
		p.Undo(func(context.Context) error {
			order = append(order, name)
			return failed
		})
	}
	if err := p.Remove(t.Context()); !errors.Is(err, failed) || !slices.Equal(order, []string{"listener", "database", "server"}) {
		t.Errorf("%q (%v)", order, err)
	}
}
