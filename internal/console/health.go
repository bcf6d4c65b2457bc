package console

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// checkTimeout is how long one check may take.
const checkTimeout = 3 * time.Second

// Check is something without which the process cannot do its work. Run must return when its context ends.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// StoreCheck is whether the store can be reached.
func StoreCheck(store *eventstore.Store) Check {
	return Check{"store", func(ctx context.Context) error {
		_, err := store.Head(ctx)
		return err
	}}
}

// Checked is the result of one Check.
type Checked struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok" or "failed"
	Error  string `json:"error,omitempty"`
}

// HealthView is what /healthz and /readyz answer.
type HealthView struct {
	Status string    `json:"status"` // "ok" or "failed"
	Checks []Checked `json:"checks,omitempty"`
}

// Health answers /healthz, with 200 while the process is alive, and /readyz, with 200 if every check holds and 503 if not.
// It needs no token and can be mounted on any listener; why a check failed is told only with detail, since it may
// name hosts. Neither the bus nor a payment gateway belongs among the checks: webhooks are taken without them.
func Health(detail bool, checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w)
			return
		}
		switch r.URL.Path {
		case healthPath:
			answer(w, http.StatusOK, HealthView{Status: statusOK})
		case readyPath:
			v := check(r.Context(), detail, checks)
			status := http.StatusOK
			if v.Status != statusOK {
				status = http.StatusServiceUnavailable
			}
			answer(w, status, v)
		default:
			writeProblem(w, notFound("there is nothing at this path", "/healthz, /readyz"))
		}
	})
}

const (
	statusOK     = "ok"
	statusFailed = "failed"
)

// check runs all checks at once.
func check(ctx context.Context, detail bool, checks []Check) HealthView {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	v := HealthView{Status: statusOK, Checks: make([]Checked, len(checks))}
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			v.Checks[i] = Checked{Name: c.Name, Status: statusOK}
			if err := c.Run(ctx); err != nil {
				v.Checks[i].Status = statusFailed
				if detail {
					v.Checks[i].Error = err.Error()
				}
			}
		})
	}
	wg.Wait()
	for _, c := range v.Checks {
		if c.Status != statusOK {
			v.Status = statusFailed
		}
	}
	return v
}
