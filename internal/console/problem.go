package console

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Problem is why a request was not answered: RFC 9457 problem details. The member type is left out: it is about:blank, and
// code tells more.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"` // permanent, for programs: "console/bad-parameter"
	Hint   string `json:"hint,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string {
	s := p.Code + ": " + p.Title
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// Codes of Problems.
const (
	codeParameter    = "console/bad-parameter"
	codeCursor       = "console/bad-cursor"
	codeNotFound     = "console/not-found"
	codeMethod       = "console/method-not-allowed"
	codeUnauthorized = "console/unauthorized"
	codeHost         = "console/bad-host"
	codeUnavailable  = "console/unavailable"
	codeInternal     = "console/internal"
)

func badParameter(detail, hint string) *Problem {
	return &Problem{"Bad parameter", http.StatusBadRequest, detail, codeParameter, hint}
}

func notFound(detail, hint string) *Problem {
	return &Problem{"Not found", http.StatusNotFound, detail, codeNotFound, hint}
}

// fail answers an error. What the caller may not know is logged and not sent.
func (c *console) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		p = &Problem{"Internal error", http.StatusInternalServerError, "", codeInternal, "the log of this process says more"}
		if errors.Is(err, eventstore.ErrUnavailable) {
			p = &Problem{"Store unavailable", http.StatusServiceUnavailable, "", codeUnavailable, "try again; /readyz and the log of this process say more"}
		}
		if r.Context().Err() == nil {
			c.log.LogAttrs(r.Context(), slog.LevelError, "Audit Request Failed", slog.String("path", r.URL.Path), slog.String("code", p.Code), slog.String("error", err.Error()))
		}
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	write(w, "application/problem+json", p.Status, p)
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, v any) { write(w, "application/json", status, v) }

func write(w http.ResponseWriter, contentType string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"title":"Internal error","status":500,"code":"`+codeInternal+`"}`)
		contentType = "application/problem+json"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client has gone: nothing is left to be done
}
