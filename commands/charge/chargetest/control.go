package chargetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// controlPrefix is the path below which a simulator is steered from outside its process.
const controlPrefix = "/_simulator/"

// serveControl answers the control API. It takes and gives JSON, asks for no key, and must therefore be reachable by its
// driver only; requests that carry an Origin, as a browser's do, are refused.
//
//	GET    ledger               the Ledger; ?order= keeps only what belongs to one order
//	GET    faults               the counters
//	POST   faults               adds a Fault or a list of them
//	DELETE faults               withdraws all
//	GET    clock                {"now": …}
//	POST   clock                {"set": "2026-01-05T12:00:00Z"} or {"advance": "25h"}
//	POST   release              {"request_id": …, "order": …, "key": …, "fault": …}: lets held requests go; answers {"released": n}
//	POST   settle               {"intent": …, "succeeded": true}
//	POST   events               an event's body, to be signed and delivered
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "the control API is not for browsers"})
		return
	}
	verb := r.Method + " " + strings.TrimPrefix(r.URL.Path, controlPrefix)
	out, err := s.control(verb, r)
	status := http.StatusOK
	if err != nil {
		status, out = http.StatusBadRequest, map[string]string{"error": err.Error()}
	}
	if out == nil {
		status, out = http.StatusNotFound, map[string]string{"error": "the simulator has no " + verb}
	}
	writeJSON(w, status, out)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(body)) // an error means that the driver has left
}

// control returns nil for what it does not know.
func (s *Simulator) control(verb string, r *http.Request) (any, error) {
	switch verb {
	case "GET ledger":
		return s.ledgerOf(r.URL.Query().Get("order")), nil
	case "GET faults":
		return map[string]any{"faults": s.Faults()}, nil
	case "POST faults":
		faults, err := readFaults(r)
		if err != nil {
			return nil, err
		}
		if err := s.Script(faults...); err != nil {
			return nil, err
		}
		return map[string]any{"faults": s.Faults()}, nil
	case "DELETE faults":
		s.Heal()
		return map[string]any{"faults": s.Faults()}, nil
	case "GET clock":
		return map[string]any{"now": s.Now()}, nil
	case "POST clock":
		return s.moveClock(r)
	case "POST release":
		var match Match
		if err := read(r, &match); err != nil {
			return nil, err
		}
		return map[string]any{"released": s.Release(match)}, nil
	case "POST settle":
		var in struct {
			Intent    string `json:"intent"`
			Succeeded bool   `json:"succeeded"`
		}
		if err := read(r, &in); err != nil {
			return nil, err
		}
		return map[string]any{"settled": in.Intent}, s.Settle(in.Intent, in.Succeeded)
	case "POST events":
		var body json.RawMessage
		if err := read(r, &body); err != nil {
			return nil, err
		}
		return map[string]any{"queued": true}, s.Post(body)
	}
	return nil, nil
}

func (s *Simulator) moveClock(r *http.Request) (any, error) {
	var in struct {
		Set     time.Time `json:"set"`
		Advance string    `json:"advance"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if in.Set.IsZero() && in.Advance == "" {
		return nil, fmt.Errorf("give set or advance")
	}
	if !in.Set.IsZero() {
		s.SetClock(in.Set)
	}
	if in.Advance != "" {
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return nil, err
		}
		s.Advance(d)
	}
	return map[string]any{"now": s.Now()}, nil
}

// ledgerOf is the ledger, or the part of it that belongs to one order.
func (s *Simulator) ledgerOf(order string) Ledger {
	l := s.Ledger()
	if order == "" {
		return l
	}
	l.Effects = l.ByOrder(order)
	var requests []Request
	for _, r := range l.Requests {
		if r.Order == order {
			requests = append(requests, r)
		}
	}
	l.Requests = requests
	return l
}

// readFaults takes one fault or a list.
func readFaults(r *http.Request) ([]Fault, error) {
	var raw json.RawMessage
	if err := read(r, &raw); err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimSpace(string(raw)), "[") {
		var faults []Fault
		err := json.Unmarshal(raw, &faults)
		return faults, err
	}
	var fault Fault
	err := json.Unmarshal(raw, &fault)
	return []Fault{fault}, err
}

func read(r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(into); err != nil {
		return fmt.Errorf("the body is not the JSON expected: %w", err)
	}
	return nil
}
