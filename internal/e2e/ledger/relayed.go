package ledger

import (
	"fmt"
	"regexp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
)

// ClientSecret is what must be in no log and on no bus.
var ClientSecret = regexp.MustCompile(`pi_[0-9A-Za-z]+_secret_`)

// Relayed checks what came over the bus: every event that has a topic, at least once and on that topic; nothing that is
// not stored; the first occurrences of a key in the order of their positions, and all on one partition; no client_secret.
func Relayed(e Evidence) (found []string) {
	if !e.Bus {
		return nil
	}
	topics := bus.DefaultTopics()
	stored := map[eventstore.Position]eventstore.Event{}
	for _, v := range e.Events {
		stored[v.Position] = v
	}
	type lane struct{ topic, key string }
	last, partition := map[lane]eventstore.Position{}, map[lane]int32{}
	seen := map[eventstore.Position]bool{}
	for _, r := range e.Records {
		v, ok := stored[r.Position]
		topic, _ := topics.Topic(v)
		if !ok || v.ID != r.ID || topic != r.Topic {
			found = append(found, fmt.Sprintf("%s: a record of %q at position %d, which is not that event", r.Topic, r.ID, r.Position))
			continue
		}
		if ClientSecret.Match(r.Value) {
			found = append(found, fmt.Sprintf("%s: the record of %s shows a client_secret", r.Topic, r.ID))
		}
		on := lane{r.Topic, r.Key}
		if p, ok := partition[on]; ok && p != r.Partition {
			found = append(found, fmt.Sprintf("%s: key %s is on partitions %d and %d", r.Topic, r.Key, p, r.Partition))
		}
		partition[on] = r.Partition
		if seen[r.Position] {
			continue
		}
		seen[r.Position] = true
		if r.Position < last[on] {
			found = append(found, fmt.Sprintf("%s: key %s has position %d after %d", r.Topic, r.Key, r.Position, last[on]))
		}
		last[on] = r.Position
	}
	for _, v := range e.Events {
		if topic, ok := topics.Topic(v); ok && !seen[v.Position] {
			found = append(found, fmt.Sprintf("%s: position %d (%s %s) was not published", topic, v.Position, v.Type, v.ID))
		}
	}
	return found
}
