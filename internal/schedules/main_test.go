package schedules_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(built{m})) }

// built removes the program after the tests that it was built for.
type built struct{ tests pgtest.Tests }

func (b built) Run() int {
	code := b.tests.Run()
	if err := program.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "schedules:", err)
		return max(code, 1)
	}
	return code
}

// program is the real binary, built when the first test asks for it.
var program = &binary{}

type binary struct {
	once sync.Once
	dir  string
	file string
	err  error
}

func (b *binary) path(t *testing.T) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "hooksaga-schedules-"); b.err == nil {
			b.file, b.err = serving.Build(t.Context(), b.dir, false)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.file
}

func (b *binary) remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}
