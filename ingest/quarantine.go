package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore"
)

// QuarantinedType is the type of the event that holds a delivery which is authentic but cannot be read, or must not be
// routed. Its source is hooksaga, its stream quarantine/{provider}, its subject {provider}/{reason}, its body the bytes
// as they came. Its id is derived from provider and body: delivered again, it is not stored again.
const QuarantinedType = "webhook.quarantined"

// QuarantinedWebhook describes that event.
var QuarantinedWebhook = eventstore.Define[eventstore.Raw](eventstore.Self, QuarantinedType)

// setAside stores a delivery as quarantined.
func (h *handler) setAside(ctx context.Context, rt *route, req Request, reason string, d *Delivery) error {
	if !label(reason) {
		reason = "unreadable"
	}
	id := quarantineID(rt.name, req.Body)
	n := eventstore.NewEvent{Event: eventstore.Event{
		ID: id, Source: eventstore.Self, Type: QuarantinedType, Subject: rt.name + "/" + reason, Time: req.Now,
		CorrelationID: id, Body: req.Body,
	}}
	places, err := h.store.Append(ctx, "quarantine/"+rt.name, eventstore.Any, n)
	if err != nil {
		return err
	}
	d.Outcome, d.Reason, d.New, d.Known = Quarantined, reason, 1, 0
	if places[0].Known {
		d.New, d.Known = 0, 1
	}
	h.log.LogAttrs(ctx, slog.LevelWarn, rt.title+" Event Quarantined", slog.String("provider", rt.name), slog.String("event_id", id),
		slog.String("event_type", QuarantinedType), slog.String("verification_status", "verified"), slog.String("reason", reason))
	return nil
}

func quarantineID(provider string, body []byte) string {
	sum := sha256.Sum256(body)
	return QuarantinedType + "/" + provider + "/" + hex.EncodeToString(sum[:16])
}

// examine says why an event of a provider cannot stand as it is; "" if it can.
func examine(n *eventstore.NewEvent, provider, mode string) string {
	switch {
	case n.Err() != nil:
		return "unstorable"
	case !printable(n.ID, 255):
		return "bad_id"
	case !printable(n.Type, 255):
		return "bad_type"
	case !printable(n.Subject, 255):
		return "bad_subject"
	case n.Provider() != provider:
		return "bad_source" // whoever holds one sender's secret cannot speak for another
	case otherMode(n.Source, mode):
		return "mode_mismatch"
	case n.Time.IsZero():
		return "bad_time"
	case n.CorrelationID != "" && !printable(n.CorrelationID, 255):
		return "bad_correlation_id"
	}
	return ""
}

// otherMode reports whether source, {provider}[/{account}]/{live|test}, is of another mode than mode.
func otherMode(source, mode string) bool {
	last := source[strings.LastIndexByte(source, '/')+1:]
	return mode != "" && last != source && (last == "live" || last == "test") && last != mode
}

// printable accepts 1 to limit bytes without control characters, white space other than the plain space, or what stands
// in for characters that could not be decoded.
func printable(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

func label(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
