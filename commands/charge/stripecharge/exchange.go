package stripecharge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// exchange is what is known of one request beside its answer.
type exchange struct {
	dialled atomic.Bool  // net/http looked for a connection
	conns   atomic.Int32 // how many it sent the request on
	late    atomic.Bool  // it was not sent: its deadline had passed
	status  int          // 0: no answer
	header  http.Header
}

type exchangeKey struct{}

// observe returns a context for one request, and where it is recorded.
func observe(ctx context.Context) (context.Context, *exchange) {
	x := &exchange{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.dialled.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { x.conns.Add(1) },
	})
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// unsent reports that nothing can have reached the other side: there never was a connection, or the deadline had passed.
// Another transport than net/http's does not say, and is taken to have sent.
func (x *exchange) unsent() bool {
	return x.conns.Load() <= 1 && x.late.Load() || x.dialled.Load() && x.conns.Load() == 0
}

// repeated reports that net/http sent the request again by itself after its first connection was lost.
func (x *exchange) repeated() bool { return x.conns.Load() > 1 }

// recorder is a transport that notes what happened, and does not send what is too late.
type recorder struct{ base http.RoundTripper }

var errLate = errors.New("its deadline had passed before it was sent")

func (t recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		return t.base.RoundTrip(r)
	}
	deadline, _ := r.Context().Deadline()
	guard := func() error {
		if expired(deadline) {
			x.late.Store(true)
			return errLate
		}
		return nil
	}
	if err := guard(); err != nil {
		return nil, err
	}
	if r.Body != nil && r.Body != http.NoBody {
		r = guarded(r, guard)
	}
	res, err := t.base.RoundTrip(r)
	if err == nil {
		x.status, x.header = res.StatusCode, res.Header
	}
	return res, err
}

// guarded checks again as the body is begun to be read, which is when it is written to the connection: a request without
// its body is not executed.
func guarded(r *http.Request, guard func() error) *http.Request {
	out := r.WithContext(r.Context())
	out.Body = &guardedBody{r.Body, guard}
	if again := r.GetBody; again != nil {
		out.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			return &guardedBody{body, guard}, err
		}
	}
	return out
}

type guardedBody struct {
	io.ReadCloser
	guard func() error // nil once it has let the body through
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.guard != nil {
		if err := b.guard(); err != nil {
			return 0, err
		}
		b.guard = nil
	}
	return b.ReadCloser.Read(p)
}

// expired looks at both clocks: Go's stands still while the machine is suspended, the wall clock can be set back.
func expired(deadline time.Time) bool {
	now := time.Now()
	return !deadline.IsZero() && (now.After(deadline) || now.Round(0).After(deadline.Round(0)))
}
