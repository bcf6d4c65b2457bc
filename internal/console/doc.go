// Package console is the window on a running hooksaga: the audit API over HTTP, health and metrics. It only reads.
//
// # Endpoints
//
//	GET /v1/events                   events in position order; filters below
//	GET /v1/events/{position}        one event with its body; ?raw=1 downloads the bytes as they arrived
//	GET /v1/streams/{stream}         one stream; the stream's name may contain slashes
//	GET /v1/sagas                    instances; saga, status, phase, parked, stuck, correlation_id
//	GET /v1/sagas/{name}/{key}       one instance with its queue, commands and stream; the key may contain slashes
//	GET /v1/commands                 commands; name, status, correlation_id
//	GET /v1/commands/{id}            one command
//	GET /version
//	GET /metrics                     Prometheus
//	GET /healthz                     the process is alive
//	GET /readyz                      it can do its work: one entry for each check
//
// Events are filtered by type (exact, or a prefix and "*"), source (exact, or a provider for all of its accounts and
// modes), stream, subject, correlation_id, causation_id, since and until (RFC 3339, of the time of recording; until is
// not included), after and before (positions, not included). order is asc (the default) or desc. body=1 adds bodies. A
// parameter that is not known is refused: a filter that is ignored would answer another question.
//
// # Paging
//
// limit is at most 500, 100 by default. An answer that is not the last holds next, an opaque cursor: give it back as
// cursor, with the same filters. A page neither repeats nor leaves out what was there when the first one was read,
// however much is appended meanwhile. To follow the store, ask in ascending order with after, the last position seen.
//
// # Shapes
//
// Names are snake_case and permanent; fields may be added. Times are RFC 3339 in UTC. EventView, InstanceView and
// CommandView are what the command line prints as JSON, too. In bodies, states and arguments every client_secret is
// replaced by "[redacted]" wherever it stands, as are Stripe's client secrets in other texts; only ?raw=1 shows them.
//
// An error is RFC 9457 problem details with a permanent code and a hint.
//
// # Access
//
// With a token, everything but /healthz and /readyz wants it as a bearer token, compared in constant time. Without one, the
// API answers only requests addressed to localhost or to an IP address, so that a web page cannot reach it by making a
// name of its own point here (DNS rebinding).
package console
