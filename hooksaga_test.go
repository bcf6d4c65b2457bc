package hooksaga_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

type visit struct{ Guest string }

var (
	visited = eventstore.Define[visit]("museum", "guest.visited")
	thank   = commands.Define[visit, commands.None]("thank-guest")
)

func byGuest(in saga.In[visit]) string { return in.Data.Guest }

func TestMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	silent := func(*struct{ n int }, saga.In[visit], *saga.Out) {}
	handler := func(context.Context, commands.Message[visit]) (commands.None, error) { return commands.None{}, nil }
	err := hooksaga.Run(t.Context(), hooksaga.Args("serve"), hooksaga.Output(&out, &out),
		hooksaga.Sagas(sagas.CancelAccess(), sagas.CancelAccess(),
			saga.New("bad", saga.On(visited, byGuest, silent), saga.On(visited, byGuest, silent))),
		hooksaga.Commands(func(r *commands.Router) {
			commands.Handle(r, thank, handler)
			commands.Handle(r, thank, handler)
		}))
	if err == nil {
		t.Fatal("nothing was reported")
	}
	for _, want := range []string{"two sagas", "already handles", "nothing starts it", "unexported", "already has a handler", "hooksaga_test.go:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if out.Len() > 0 {
		t.Errorf("something started: %s", out.String())
	}
}
