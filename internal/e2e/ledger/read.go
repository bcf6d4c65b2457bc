package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// decode says what is wrong with a body; "" if nothing is.
func decode(raw []byte, into any) string {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Sprintf("(%q: %v)", raw, err)
	}
	return ""
}

// commandsOf reads the commands of one type: what each was asked, and how it ended, or where it stands. Those that cannot be
// read are left out and added to found.
func commandsOf[A, R any](e Evidence, of commands.Type[A, R], found *[]string) iter.Seq2[A, string] {
	return func(yield func(A, string) bool) {
		for _, c := range e.Commands {
			if c.Name != of.Name() {
				continue
			}
			var args A
			if problem := decode(c.Args, &args); problem != "" {
				*found = append(*found, fmt.Sprintf("command %s: cannot be read %s", c.ID, problem))
			} else if !yield(args, cmp.Or(c.Outcome, c.Status)) {
				return
			}
		}
	}
}

// eventsOf reads the events of one type, each with its position. Those that cannot be read are left out and added to found.
func eventsOf[T any](e Evidence, of eventstore.Type[T], found *[]string) iter.Seq2[eventstore.Position, T] {
	return func(yield func(eventstore.Position, T) bool) {
		for _, v := range e.Events {
			if v.Type != of.Name() {
				continue
			}
			var data T
			if problem := decode(v.Body, &data); problem != "" {
				*found = append(*found, fmt.Sprintf("position %d: cannot be read %s", v.Position, problem))
			} else if !yield(v.Position, data) {
				return
			}
		}
	}
}

// ReadWebhook reads what one of the gateway's events is about.
func ReadWebhook(body []byte) (Webhook, error) {
	var event struct {
		ID, Type string
		Data     struct {
			Object struct {
				Metadata struct {
					Order string `json:"order_id"`
				}
			}
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return Webhook{}, fmt.Errorf("the gateway's webhook: %w", err)
	}
	return Webhook{ID: event.ID, Type: event.Type, Order: event.Data.Object.Metadata.Order}, nil
}
