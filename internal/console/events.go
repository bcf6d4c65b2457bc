package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
)

// EventPage is a list of events.
type EventPage struct {
	Events []EventView `json:"events"`
	Next   string      `json:"next,omitempty"` // cursor of the next page; "" on the last
	// Pruned is up to which position events were pruned, where the page would go on below it; 0 else.
	Pruned eventstore.Position `json:"pruned,omitempty"`
}

// events answers /v1/events and, with a stream given, /v1/streams/{stream}.
func (c *console) events(w http.ResponseWriter, r *http.Request, stream string) error {
	p := parameters(r)
	q := eventstore.Query{
		Type: p.text("type"), Source: p.text("source"), Stream: stream, Subject: p.text("subject"),
		CorrelationID: p.text("correlation_id"), CausationID: p.text("causation_id"),
		Since: p.time("since"), Before: p.time("until"), After: p.position("after"),
	}
	if stream == "" {
		q.Stream = p.text("stream")
	}
	switch p.text("order") {
	case "", "asc":
	case "desc":
		q.Desc = true
	default:
		p.fail("order", "is neither asc nor desc", "")
	}
	if strings.Contains(strings.TrimSuffix(q.Type, "*"), "*") {
		p.fail("type", "has a * that is not at its end", "a prefix and * is what can be asked for: customer.subscription.*")
	}
	before, limit, bodies := p.position("before"), p.limit(), p.flag("body")
	question := p.question("events " + stream)
	if last := p.cursor(question); last != "" {
		at, err := strconv.ParseInt(last, 10, 64)
		switch {
		case err != nil || at < 1:
			p.fail("cursor", "cannot be read", "leave it out to start over")
		case q.Desc:
			before = eventstore.Position(at)
		default:
			q.After = eventstore.Position(at)
		}
	}
	if err := p.done(); err != nil {
		return err
	}
	page := EventPage{Events: []EventView{}}
	if before == 1 { // nothing lies before the first; and Until 0 would be no bound
		answer(w, http.StatusOK, page)
		return nil
	}
	q.Until, q.Limit = max(0, before-1), limit+1
	events, err := c.store.Read(r.Context(), q)
	if err != nil {
		return err
	}
	if len(events) > limit {
		events = events[:limit]
		page.Next = newCursor(question, strconv.FormatInt(int64(events[limit-1].Position), 10))
	}
	for _, e := range events {
		page.Events = append(page.Events, ViewEvent(e, bodies))
	}
	err = c.store.Whole(r.Context(), q.After)
	if below, ok := errors.AsType[*eventstore.PrunedError](err); ok && (!q.Desc || page.Next == "") {
		page.Pruned = below.Floor
	} else if !ok && err != nil {
		return err
	}
	if stream != "" && len(events) == 0 {
		if err := c.known(r, stream); err != nil {
			return err
		}
	}
	answer(w, http.StatusOK, page)
	return nil
}

// known tells a stream without matching events from one that does not exist.
func (c *console) known(r *http.Request, stream string) error {
	events, err := c.store.Read(r.Context(), eventstore.Query{Stream: stream, Limit: 1})
	if err == nil && len(events) == 0 {
		if err := c.store.Whole(r.Context(), 0); err != nil {
			return pruned(err, fmt.Sprintf("there is no stream %q, or all of it was pruned", stream))
		}
		return notFound(fmt.Sprintf("there is no stream %q", stream), "streams are called provider/subject, saga/name/key or command/id; /v1/events shows them")
	}
	return err
}

// event answers /v1/events/{position}.
func (c *console) event(w http.ResponseWriter, r *http.Request, position string) error {
	p := parameters(r)
	raw := p.flag("raw")
	if err := p.done(); err != nil {
		return err
	}
	at, err := strconv.ParseInt(position, 10, 64)
	if err != nil || at < 1 {
		return badParameter(fmt.Sprintf("%q is not a position", position), "positions are numbers from 1")
	}
	events, err := c.store.Read(r.Context(), eventstore.Query{After: eventstore.Position(at - 1), Until: eventstore.Position(at), Limit: 1})
	if err != nil {
		return err
	}
	if len(events) == 0 {
		if err := c.store.Whole(r.Context(), eventstore.Position(at-1)); err != nil {
			return pruned(err, fmt.Sprintf("the event at position %d was pruned", at))
		}
		return notFound(fmt.Sprintf("there is no event at position %d", at), "/v1/events?order=desc&limit=1 shows the newest")
	}
	if raw {
		download(w, events[0])
		return nil
	}
	answer(w, http.StatusOK, ViewEvent(events[0], true))
	return nil
}

// pruned is the answer about something that retention has removed; err is what Whole returned.
func pruned(err error, what string) error {
	is, ok := errors.AsType[*eventstore.PrunedError](err)
	if !ok {
		return err
	}
	return notFound(what, fmt.Sprintf("positions up to %d were pruned; an archive or a backup may have them", is.Floor))
}

// download sends the bytes as they arrived, in a way that no browser makes anything of them.
func download(w http.ResponseWriter, e eventstore.Event) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="event-%d.bin"`, e.Position))
	h.Set("Content-Length", strconv.Itoa(len(e.Body)))
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(e.Body)
}

// rest is the part of a request's path after a prefix, decoded once and not cleaned, since names may hold anything.
func rest(r *http.Request, prefix string) (string, bool) {
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), prefix)
	if !ok || escaped == "" {
		return "", false
	}
	name, err := url.PathUnescape(escaped)
	return name, err == nil
}
