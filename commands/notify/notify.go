package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/orders"
)

// Config says where callbacks go. URL and Secret are needed.
type Config struct {
	URL    string
	Secret string // base64, with or without whsec_ before it
	// Client sends callbacks; its CheckRedirect and Timeout are not used. Nil is one of its own.
	Client *http.Client
	// Timeout bounds one callback; 0 is 10 s.
	Timeout time.Duration
	// Now is the clock of timestamps; nil is time.Now.
	Now func() time.Time
}

// Callback is the body of a callback.
type Callback struct {
	CommandID     string          `json:"command_id"`
	Type          string          `json:"type"` // the command's wire name
	Subject       string          `json:"subject"`
	CorrelationID string          `json:"correlation_id"`
	Data          json.RawMessage `json:"data"` // the command's arguments
}

// Notifier sends callbacks. It is safe for concurrent use.
type Notifier struct {
	cfg    Config
	key    []byte
	client *http.Client
}

// New returns a notifier. It makes no call.
func New(c Config) (*Notifier, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("notify: the URL must be absolute, and http or https")
	}
	k, err := key(c.Secret)
	if err != nil {
		return nil, err
	}
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.Client != nil {
		client.Transport, client.Jar = c.Client.Transport, c.Client.Jar
	}
	return &Notifier{cfg: c, key: k, client: client}, nil
}

// Register makes a notifier the handler of cancel-access, grant-access and cancel-order.
func Register(r *commands.Router, n *Notifier) {
	Handle(r, n, access.Cancel)
	Handle(r, n, access.Grant)
	Handle(r, n, orders.Cancel)
}

// Handle makes a notifier the handler of one more command.
func Handle[A any](r *commands.Router, n *Notifier, t commands.Type[A, commands.None]) {
	commands.Handle(r, t, func(ctx context.Context, m commands.Message[A]) (commands.None, error) {
		return commands.None{}, n.Send(ctx, m.Command)
	})
}

// Send sends one callback, once. Its error steers as a handler's does.
func (n *Notifier) Send(ctx context.Context, c commands.Command) error {
	body, err := json.Marshal(Callback{CommandID: string(c.ID), Type: c.Name, Subject: c.Subject, CorrelationID: c.CorrelationID, Data: c.Args})
	if err != nil {
		return commands.Permanent(errors.New("the callback cannot be encoded"))
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	var dialled, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { dialled.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return commands.Permanent(errors.New("the callback's request cannot be made"))
	}
	timestamp := strconv.FormatInt(n.cfg.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hooksaga")
	req.Header.Set(HeaderID, string(c.ID))
	req.Header.Set(HeaderTimestamp, timestamp)
	req.Header.Set(HeaderSignature, sign(n.key, string(c.ID), timestamp, body))
	req.Header.Set(HeaderIdempotency, string(c.ID))
	res, err := n.client.Do(req)
	switch {
	case err == nil:
		defer res.Body.Close()
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
		return answer(res)
	case dialled.Load() && !connected.Load():
		return errors.New("callback: no connection") // its own text names the URL, which may hold a token
	case errors.Is(err, context.DeadlineExceeded):
		return commands.Unknown(errors.New("callback: no answer in time"))
	}
	return commands.Unknown(errors.New("callback: cut before it was answered"))
}

// answer reads what the service said.
func answer(res *http.Response) error {
	status := res.StatusCode
	err := fmt.Errorf("callback: answered %d", status)
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusGone, status == http.StatusUnprocessableEntity:
		return commands.Reject("http_"+strconv.Itoa(status), err.Error())
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return commands.RetryAfter(retryAfter(res.Header), err)
	case status >= 500:
		return commands.Unknown(err) // it may have failed after it was done
	}
	return err
}

// longestRetryAfter bounds what an answer may ask for.
const longestRetryAfter = time.Hour

// retryAfter reads Retry-After in seconds (RFC 9110, section 10.2.3); another form is not honoured.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestRetryAfter)
}
