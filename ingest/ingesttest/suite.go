package ingesttest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
)

// Scheme is what TestProvider needs to know of a provider.
type Scheme struct {
	Provider ingest.Provider
	// Secret and Next are two good keys; Next is rotated to.
	Secret, Next string
	// Body is one that Parse reads as one event.
	Body []byte
	// Sign makes the headers of a delivery. It is called with one secret, once with "".
	Sign func(body []byte, at time.Time, secret string) http.Header
	// Text is in the answer to a bad signature.
	Text string
	// Tolerance is how far the signed time may be off; 0 says that the scheme signs no time.
	Tolerance time.Duration
}

// TestProvider holds a provider to what ingest.Provider promises, behind the real handler and over HTTP.
func TestProvider(t *testing.T, s Scheme) {
	t.Run("Accepts", s.accepts)
	t.Run("Tampered", s.tampered)
	t.Run("WrongSecret", s.wrongSecret)
	t.Run("Unsigned", s.unsigned)
	t.Run("ClockSkew", s.clockSkew)
	t.Run("Rotation", s.rotation)
	t.Run("Replay", s.replay)
	t.Run("ConcurrentDuplicates", s.concurrentDuplicates)
	t.Run("Unreadable", s.unreadable)
	t.Run("Pure", s.pure)
}

// Now is the clock of the suite's servers.
func Now() time.Time { return time.Unix(1_750_000_000, 0) }

// Server serves one provider on a Log. Options.Now is Now unless it is set.
func Server(t testing.TB, log ingest.Appender, p ingest.Provider, o ingest.Options, secrets ...string) *httptest.Server {
	t.Helper()
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: p, Secrets: ingest.Fixed(ingest.NewSecrets(secrets...)...)})
	if err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = Now
	}
	srv := httptest.NewServer(ingest.NewHandler(log, reg, o))
	t.Cleanup(srv.Close)
	return srv
}

// Post delivers a body and gives the status and the answer.
func Post(t testing.TB, url string, h http.Header, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// fixture is a server with a store of its own.
type fixture struct {
	log *Log
	url string
}

func (s Scheme) serve(t *testing.T, secrets ...string) fixture {
	t.Helper()
	log := &Log{}
	return fixture{log, Server(t, log, s.Provider, ingest.Options{}, secrets...).URL + "/webhooks/" + s.Provider.Name()}
}

func (f fixture) accepts(t *testing.T, h http.Header, body []byte) {
	t.Helper()
	if status, answer := Post(t, f.url, h, body); status != http.StatusOK || answer == "" {
		t.Errorf("answered %d %s, want 200", status, answer)
	}
}

func (f fixture) refuses(t *testing.T, h http.Header, body []byte, text string) {
	t.Helper()
	before := len(f.log.Events())
	status, answer := Post(t, f.url, h, body)
	if status != http.StatusBadRequest || !strings.Contains(answer, text) {
		t.Errorf("answered %d %s, want 400 with %q", status, answer, text)
	}
	if n := len(f.log.Events()); n != before {
		t.Errorf("a refused delivery stored %d events", n-before)
	}
}

func (s Scheme) accepts(t *testing.T) {
	f := s.serve(t, s.Secret)
	f.accepts(t, s.Sign(s.Body, Now(), s.Secret), s.Body)
	events := f.log.Events()
	if len(events) != 1 {
		t.Fatalf("stored %d events, want 1", len(events))
	}
	e := events[0]
	if e.Provider() != s.Provider.Name() || e.ID == "" || e.Type == "" || e.Subject == "" || e.CorrelationID == "" || e.Time.IsZero() {
		t.Errorf("stored an incomplete event: %+v", e)
	}
	if e.Stream != s.Provider.Name()+"/"+e.Subject {
		t.Errorf("stored on stream %q, want the provider and the subject %q", e.Stream, e.Subject)
	}
	if !bytes.Equal(e.Body, s.Body) {
		t.Errorf("stored other bytes than those that came")
	}
}

// tampered changes each byte of the body, and each of each signed header's value, in two ways.
func (s Scheme) tampered(t *testing.T) {
	p, secrets := s.Provider, ingest.NewSecrets(s.Secret)
	good := s.Sign(s.Body, Now(), s.Secret)
	for i := range s.Body {
		for _, flip := range []byte{0x01, 0x20} {
			body := bytes.Clone(s.Body)
			body[i] ^= flip
			if _, err := p.Verify(ingest.Request{Body: body, Header: good, Now: Now(), Secrets: secrets}); err == nil {
				t.Errorf("byte %d of the body changed (^%#x), and it still verifies", i, flip)
			}
		}
	}
	f := s.serve(t, s.Secret)
	for _, body := range [][]byte{append(bytes.Clone(s.Body), '\n'), s.Body[:len(s.Body)-1], bytes.ReplaceAll(s.Body, []byte(":"), []byte(": "))} {
		f.refuses(t, good, body, s.Text)
	}
	for name, values := range good {
		s.tamperedHeader(t, good, name, values[0])
	}
}

// tamperedHeader replaces each letter or digit of a header's value by another that is not the same in other case. Parts
// that are not signed (the name of a scheme that is ignored) may change nothing, but no change may verify and lead to
// another event.
func (s Scheme) tamperedHeader(t *testing.T, good http.Header, name, value string) {
	secrets := ingest.NewSecrets(s.Secret)
	want, err := s.Provider.Parse(ingest.Request{Body: s.Body, Header: good, Now: Now(), Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range len(value) {
		b := []byte(value)
		if b[i]++; b[i] > '~' {
			b[i] = '!'
		}
		h := good.Clone()
		h.Set(name, string(b))
		r := ingest.Request{Body: s.Body, Header: h, Now: Now(), Secrets: secrets}
		if _, err := s.Provider.Verify(r); err != nil {
			refused++
			continue
		}
		if got, err := s.Provider.Parse(r); err != nil || !same(got, want) {
			t.Errorf("%s: %q verifies and is another event (%v)", name, b, err)
		}
	}
	if refused == 0 {
		t.Errorf("%s can be changed at will", name)
	}
}

func same(a, b []eventstore.NewEvent) bool {
	return len(a) == 1 && len(b) == 1 && a[0].ID == b[0].ID && a[0].Source == b[0].Source && a[0].Type == b[0].Type
}

func (s Scheme) wrongSecret(t *testing.T) {
	f := s.serve(t, s.Secret)
	f.refuses(t, s.Sign(s.Body, Now(), s.Next), s.Body, s.Text)
	receipt, err := s.Provider.Verify(ingest.Request{Body: s.Body, Header: s.Sign(s.Body, Now(), s.Secret), Now: Now()})
	if err == nil {
		t.Errorf("verifies without any secret: %+v", receipt)
	}
	empty := []ingest.Secret{ingest.NewSecret("", "none")}
	if _, err := s.Provider.Verify(ingest.Request{Body: s.Body, Header: s.Sign(s.Body, Now(), ""), Now: Now(), Secrets: empty}); err == nil {
		t.Errorf("verifies with an empty secret, which anybody has")
	}
}

func (s Scheme) unsigned(t *testing.T) {
	f := s.serve(t, s.Secret)
	f.refuses(t, nil, s.Body, s.Text)
	for name, values := range s.Sign(s.Body, Now(), s.Secret) {
		without, empty, twice := s.Sign(s.Body, Now(), s.Secret), s.Sign(s.Body, Now(), s.Secret), s.Sign(s.Body, Now(), s.Secret)
		without.Del(name)
		empty.Set(name, "")
		twice[name] = []string{values[0], values[0]}
		f.refuses(t, without, s.Body, s.Text)
		f.refuses(t, empty, s.Body, s.Text)
		f.refuses(t, twice, s.Body, s.Text)
	}
}

func (s Scheme) clockSkew(t *testing.T) {
	if s.Tolerance == 0 {
		f := s.serve(t, s.Secret)
		f.accepts(t, s.Sign(s.Body, Now().Add(-365*24*time.Hour), s.Secret), s.Body)
		return
	}
	for _, direction := range []time.Duration{1, -1} {
		f := s.serve(t, s.Secret)
		f.refuses(t, s.Sign(s.Body, Now().Add(direction*(s.Tolerance+time.Second)), s.Secret), s.Body, s.Text)
		f.accepts(t, s.Sign(s.Body, Now().Add(direction*s.Tolerance), s.Secret), s.Body)
	}
}

// rotation goes from one secret over both to the other.
func (s Scheme) rotation(t *testing.T) {
	f := s.serve(t, s.Next, s.Secret)
	f.accepts(t, s.Sign(s.Body, Now(), s.Secret), s.Body)
	f.accepts(t, s.Sign(s.Body, Now(), s.Next), s.Body)
	both := ingest.NewSecrets(s.Next, s.Secret)
	for _, secret := range []string{s.Secret, s.Next} {
		receipt, err := s.Provider.Verify(ingest.Request{Body: s.Body, Header: s.Sign(s.Body, Now(), secret), Now: Now(), Secrets: both})
		if err != nil || receipt.Secret != ingest.Fingerprint(secret) {
			t.Errorf("verified by %q (%v), want %q", receipt.Secret, err, ingest.Fingerprint(secret))
		}
	}
	s.serve(t, s.Next).refuses(t, s.Sign(s.Body, Now(), s.Secret), s.Body, s.Text)
}

func (s Scheme) replay(t *testing.T) {
	f := s.serve(t, s.Secret)
	h := s.Sign(s.Body, Now(), s.Secret)
	_, first := Post(t, f.url, h, s.Body)
	status, second := Post(t, f.url, h, s.Body)
	if status != http.StatusOK || first != second {
		t.Errorf("the replay is answered %d %s, the first %s", status, second, first)
	}
	if n := len(f.log.Events()); n != 1 {
		t.Errorf("stored %d events, want 1", n)
	}
}

func (s Scheme) concurrentDuplicates(t *testing.T) {
	const callers = 32
	f := s.serve(t, s.Secret)
	h := s.Sign(s.Body, Now(), s.Secret)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if status, _ := Post(t, f.url, h, s.Body); status == http.StatusOK {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != callers || f.log.Calls() != callers || len(f.log.Events()) != 1 {
		t.Errorf("of %d deliveries %d were accepted, %d reached the store and %d events are stored; want all, all and 1",
			callers, accepted.Load(), f.log.Calls(), len(f.log.Events()))
	}
}

// unreadable bodies are authentic: they are kept, and answered 200.
func (s Scheme) unreadable(t *testing.T) {
	for _, body := range []string{"not JSON", "[1]", `{"id":`, "\xff\xfe"} {
		f := s.serve(t, s.Secret)
		f.accepts(t, s.Sign([]byte(body), Now(), s.Secret), []byte(body))
		events := f.log.Events()
		if len(events) != 1 || events[0].Source != eventstore.Self || events[0].Type != ingest.QuarantinedType || string(events[0].Body) != body {
			t.Errorf("%q: stored %+v, want one quarantined event", body, events)
		}
	}
}

// pure: the same request gives the same answer, and is left as it was.
func (s Scheme) pure(t *testing.T) {
	body := bytes.Clone(s.Body)
	r := ingest.Request{Body: body, Header: s.Sign(body, Now(), s.Secret), Now: Now(), Secrets: ingest.NewSecrets(s.Secret)}
	a, errA := s.Provider.Parse(r)
	b, errB := s.Provider.Parse(r)
	if errA != nil || errB != nil || !same(a, b) || !a[0].Time.Equal(b[0].Time) {
		t.Errorf("parsed twice: %+v (%v), then %+v (%v)", a, errA, b, errB)
	}
	if !bytes.Equal(body, s.Body) {
		t.Errorf("Parse changed the body")
	}
}
