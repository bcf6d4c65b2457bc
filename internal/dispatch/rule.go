package dispatch

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// verdict is what the answer to an attempt means for the command.
type verdict struct {
	outcome eventstore.NewEvent // ends it, if it has a type
	how     string              // of outcome
	unknown bool                // the effect may have happened
	lookUp  bool                // repeating cannot tell
	after   time.Duration       // not before
	reason  string              // why there is no outcome
}

// judge reads the answer to an attempt. An answer that only speaks of its own attempt, such as a refusal of the API key,
// does not end a command of which an earlier attempt is unanswered, nor does it make it one without effect.
func judge(out eventstore.NewEvent, err error, money, unanswered bool) verdict {
	if err == nil {
		_, how, ok := commands.Ends(out.Type)
		switch {
		case out.Err() != nil || !ok:
			return verdict{unknown: true, reason: "the handler's result cannot be stored: " + text(cmp.Or(out.Err(), errNoOutcome))}
		case how == commands.Failed && unanswered:
			return verdict{unknown: true, reason: "refused, but an earlier attempt is unanswered: " + failure(out)}
		}
		return verdict{outcome: out, how: how}
	}
	advice := commands.Advise(err)
	v := verdict{unknown: advice.Unknown || unanswered, lookUp: advice.LookUp, after: advice.After, reason: text(err)}
	if money && advice == (commands.Advice{}) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		v.unknown = true // a handler that does not say so: its call was cut, and may have had its effect
	}
	return v
}

var errNoOutcome = errors.New("it is no outcome")

// failure is the message of a failed outcome.
func failure(out eventstore.NewEvent) string {
	f, _, err := eventstore.Define[commands.Failure](eventstore.Self, out.Type).Decode(out.Event)
	if err != nil {
		return "unreadable"
	}
	return lifecycle.Reason(f.Message)
}

func text(err error) string { return lifecycle.Reason(err.Error()) }
