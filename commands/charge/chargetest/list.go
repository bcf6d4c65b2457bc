package chargetest

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
)

// defaultLimit is how many objects a page has unless the caller says otherwise.
const defaultLimit = 10

func (s *Simulator) listIntents(c *call) answer {
	w := newWindow(c.form)
	var found []*intent
	for _, in := range s.order {
		if customer := c.form.Get("customer"); customer != "" && (in.Customer == nil || *in.Customer != customer) {
			continue
		}
		if w.has(in.Created) {
			found = append(found, in)
		}
	}
	found, more, bad := page(c.form, found, func(in *intent) (string, int64) { return in.ID, in.Created }, "payment_intent")
	if bad != nil {
		return bad.answer()
	}
	data := make([]paymentIntent, 0, len(found))
	for _, in := range found {
		data = append(data, in.expanded(c.form))
	}
	return answer{status: http.StatusOK, body: encode(list{Object: "list", URL: "/v1/payment_intents", HasMore: more, Data: data})}
}

func (s *Simulator) listRefunds(c *call) answer {
	w := newWindow(c.form)
	var found []*refund
	for _, r := range s.refunding {
		if id := c.form.Get("payment_intent"); id != "" && r.PaymentIntent != id {
			continue
		}
		if id := c.form.Get("charge"); id != "" && r.Charge != id {
			continue
		}
		if w.has(r.Created) {
			found = append(found, r)
		}
	}
	found, more, bad := page(c.form, found, func(r *refund) (string, int64) { return r.ID, r.Created }, "refund")
	if bad != nil {
		return bad.answer()
	}
	data := make([]refundObject, 0, len(found))
	for _, r := range found {
		data = append(data, r.refundObject)
	}
	return answer{status: http.StatusOK, body: encode(list{Object: "list", URL: "/v1/refunds", HasMore: more, Data: data})}
}

// page sorts objects newest first, later made before earlier made within a second, and cuts out what was asked for.
func page[T any](form url.Values, objects []T, of func(T) (id string, created int64), kind string) ([]T, bool, *apiError) {
	slices.Reverse(objects)
	slices.SortStableFunc(objects, func(a, b T) int {
		_, x := of(a)
		_, y := of(b)
		return cmp.Compare(y, x)
	})
	at := func(id string) int {
		return slices.IndexFunc(objects, func(o T) bool { other, _ := of(o); return other == id })
	}
	limit, set, _ := number(form, "limit") // was validated
	if !set {
		limit = defaultLimit
	}
	size := int(limit)
	if before := form.Get("ending_before"); before != "" {
		end := at(before)
		if end < 0 {
			return nil, false, invalid("ending_before", "resource_missing", "No such %s: '%s'", kind, before)
		}
		start := max(0, end-size)
		return objects[start:end], start > 0, nil
	}
	if after := form.Get("starting_after"); after != "" {
		start := at(after)
		if start < 0 {
			return nil, false, invalid("starting_after", "resource_missing", "No such %s: '%s'", kind, after)
		}
		objects = objects[start+1:]
	}
	if len(objects) > size {
		return objects[:size], true, nil
	}
	return objects, false, nil
}

// window is what created and created[gt|gte|lt|lte] leave.
type window struct{ from, to int64 }

func newWindow(form url.Values) window {
	w := window{from: math.MinInt64, to: math.MaxInt64}
	for _, bound := range []struct {
		name  string
		lower bool
		upper bool
		open  int64
	}{
		{"created", true, true, 0}, {"created[gt]", true, false, 1}, {"created[gte]", true, false, 0},
		{"created[lt]", false, true, 1}, {"created[lte]", false, true, 0},
	} {
		at, set, err := number(form, bound.name) // was validated
		if err != nil || !set {
			continue
		}
		if bound.lower {
			w.from = max(w.from, at+bound.open)
		}
		if bound.upper {
			w.to = min(w.to, at-bound.open)
		}
	}
	return w
}

func (w window) has(created int64) bool { return w.from <= created && created <= w.to }
