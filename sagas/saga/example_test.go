package saga_test

import (
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
	"github.com/hooksaga/hooksaga/sagas/sagatest"
)

type loan struct {
	Book   string
	Reader string
}

var (
	lent     = eventstore.Define[loan]("library", "book.lent")
	returned = eventstore.Define[loan]("library", "book.returned")
	remind   = commands.Define[loan, commands.None]("remind-reader")
)

const overdue saga.Timer = "overdue"

func byBook(in saga.In[loan]) string { return in.Data.Book }

// A reader is reminded after a month, unless the book is back.
func Example() {
	d := saga.New("lending",
		saga.Start(lent, byBook, func(l *loan, in saga.In[loan], out *saga.Out) {
			*l = in.Data
			out.After(overdue, 30*24*time.Hour)
		}),
		saga.On(returned, byBook, func(_ *loan, _ saga.In[loan], out *saga.Out) { out.Complete() }),
		saga.OnTimer(overdue, func(l *loan, _ saga.In[saga.Fired], out *saga.Out) { saga.Send(out, remind, *l) }),
	)
	fmt.Println(d.Check())

	started, err := d.Route(lent.New(loan{Book: "Emma", Reader: "Ann"}).WithID("e_1").Event)
	if err != nil {
		fmt.Println(err)
		return
	}
	decision := started.Step(nil)
	fmt.Println(decision.Disposition, decision.Instance.Key, decision.Timers)

	state := loan{Book: "Emma", Reader: "Ann"}
	effects := sagatest.Call(func(l *loan, _ saga.In[saga.Fired], out *saga.Out) { saga.Send(out, remind, *l) }, &state, saga.Fired{})
	fmt.Println(effects.Commands[0].Name, string(effects.Commands[0].Args))
	// Output:
	// <nil>
	// started Emma [arm overdue in 720h0m0s]
	// remind-reader {"Book":"Emma","Reader":"Ann"}
}
