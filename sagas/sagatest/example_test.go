package sagatest_test

import (
	"fmt"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
	"github.com/hooksaga/hooksaga/sagas/sagatest"
)

type door struct{ Open bool }

// A handler is a plain function: Call runs it, and returns what it asked for.
func ExampleCall() {
	opened := func(d *door, _ saga.In[eventstore.Raw], out *saga.Out) {
		d.Open = true
		out.Escalate("the door is open")
	}
	var d door
	effects := sagatest.Call(opened, &d, nil)
	fmt.Println(d.Open, effects.Escalated)
	// Output: true [the door is open]
}
