package commands_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooksaga/hooksaga/commands"
)

type letter struct {
	To string `json:"to"`
}

var post = commands.Define[letter, commands.None]("post-letter")

// A handler's error says what is to be done about it.
func Example() {
	var r commands.Router
	commands.Handle(&r, post, func(_ context.Context, m commands.Message[letter]) (commands.None, error) {
		switch m.Args.To {
		case "":
			return commands.None{}, commands.Reject("no-address", "the letter has no address")
		case "moon":
			return commands.None{}, errors.New("no rocket today")
		}
		return commands.None{}, nil
	})
	for _, to := range []string{"Ann", "", "moon"} {
		outcome, err := r.Do(context.Background(), post.New(letter{To: to}), commands.Request{}, commands.Attempt{Number: 1})
		fmt.Printf("%q: %q, %v\n", to, outcome.Type, err)
	}
	// Output:
	// "Ann": "post-letter.succeeded", <nil>
	// "": "post-letter.rejected", <nil>
	// "moon": "", no rocket today
}
