package bus

import (
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Topics that the default map names.
const (
	TopicPaymentsCompleted = "payments.completed"
	TopicEvents            = "hooksaga.events"
)

// Provider stands, in the name of a topic, for the provider of the event.
const Provider = "{provider}"

// Route sends events to a topic: those of a source (a provider, or "*") and a type (exact, or a prefix that ends in "*").
// An empty Topic keeps them in the store.
type Route struct{ Source, Type, Topic string }

// Topics is the map from events to topics. The first route that matches counts; what none matches is not relayed.
type Topics []Route

// DefaultTopics are the routes of a deployment that says nothing else. Bookkeeping and quarantined bodies stay in the
// store. What providers sent goes to integration-{provider}-events.
func DefaultTopics() Topics {
	return Topics{
		{eventstore.Self, "payments.completed", TopicPaymentsCompleted},
		{eventstore.Self, "saga.*", ""},
		{eventstore.Self, "timer.*", ""},
		{eventstore.Self, "webhook.quarantined", ""},
		{eventstore.Self, "*", TopicEvents},
		{"*", "*", "integration-" + Provider + "-events"},
	}
}

// Topic returns the topic of an event, and false for one that is not relayed: what no route sends anywhere, and whatever
// is addressed to one instance.
func (t Topics) Topic(e eventstore.Event) (string, bool) {
	if e.To != "" {
		return "", false
	}
	for _, r := range t {
		if (eventstore.Pattern{Source: r.Source, Type: r.Type}).Match(e) {
			return named(r.Topic, e.Provider()), r.Topic != ""
		}
	}
	return "", false
}

// named puts the provider in. What Kafka does not take in a topic's name becomes a dash: one event of an odd source must not
// stop the relay.
func named(topic, provider string) string {
	if !strings.Contains(topic, Provider) {
		return topic
	}
	return strings.ReplaceAll(topic, Provider, strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, provider))
}

// Names lists every topic that events of these providers and of hooksaga itself can be sent to, sorted.
func (t Topics) Names(providers ...string) []string {
	names := t.Of(eventstore.Self)
	for _, p := range providers {
		names = append(names, t.Of(p)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of lists the topics that events of one provider can be sent to, in the order of the routes.
func (t Topics) Of(provider string) (names []string) {
	for _, r := range t {
		if r.Source != "*" && r.Source != provider {
			continue
		}
		if topic := named(r.Topic, provider); topic != "" && !slices.Contains(names, topic) {
			names = append(names, topic)
		}
		if r.Type == "*" {
			break // what is left, none of the later routes gets
		}
	}
	return names
}

// SubscriptionName is the name under which a provider's events are subscribed to: stripe-onStripeEvent.
func SubscriptionName(provider string) string {
	if provider == "" {
		return ""
	}
	return provider + "-on" + strings.ToUpper(provider[:1]) + provider[1:] + "Event"
}

// Group is the consumer group of a role: hooksaga-engine.
func Group(role string) string { return "hooksaga-" + role }
