package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

func do(t *testing.T, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// raw writes bytes to the server and reads one answer.
func raw(t *testing.T, url, request string) (*http.Response, string) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func TestCatalogueOnTheWire(t *testing.T) {
	t.Parallel()
	head := "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: " + signed(body).Get("Stripe-Signature") + "\r\n"
	whole := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for _, r := range []struct {
		name, request string
		status        int
		reason        string
	}{
		{"27 10 GB announced", head + "Content-Length: 10000000000\r\n\r\n{", 413, "body_too_large"},
		{"28 chunks without end", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 408, "read_timeout"},
		{"28 fewer bytes than announced", head + "Content-Length: 100\r\n\r\n{", 408, "read_timeout"},
		{"30 two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, ""},
		{"30 unknown transfer encoding", head + "Transfer-Encoding: gzip\r\n\r\n{}", 501, ""},
		{"31 a length and chunks: the chunks are read", head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n", 400, "signature_invalid"},
		{"31 the right body in chunks", head + "Transfer-Encoding: chunked\r\n\r\n" + whole, 200, "accepted"},
		{"a broken chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "unreadable_body"},
		{"32 headers above 1 MiB", head + "X-Padding: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", 431, ""},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, ingest.Options{ReadTimeout: 200 * time.Millisecond}, stripehook.Options{}, secret)
			resp, answer := raw(t, b.url, r.request)
			if resp.StatusCode != r.status {
				t.Errorf("answered %d %s, want %d", resp.StatusCode, answer, r.status)
			}
			if want := map[bool]int{true: 1}[r.status == 200]; len(b.log.Events()) != want {
				t.Errorf("stored %d events, want %d", len(b.log.Events()), want)
			}
			d := b.deliveries()
			if r.reason != "" && (len(d) != 1 || d[0].Reason != r.reason && string(d[0].Outcome) != r.reason) {
				t.Errorf("observed %+v, want %s", d, r.reason)
			}
		})
	}
}

func TestRow57TheClientGoesAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{}, stripehook.Options{}, secret)
	reached, ended := make(chan struct{}), make(chan error, 1)
	b.log.Fail(func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/webhooks/stripe", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = signed(body)
	go func() {
		<-reached
		cancel()
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("answered %d", resp.StatusCode)
	}
	if err := <-ended; err != context.Canceled {
		t.Errorf("the append ended with %v", err)
	}
	b.log.Fail(nil)
	if resp, answer := b.send(t, row{header: signed(body), body: body}); resp.StatusCode != 200 || len(b.log.Events()) != 1 {
		t.Errorf("the redelivery is answered %d %s", resp.StatusCode, answer)
	}
}

func TestASlowAppendIsNotCutByTheReadTimeout(t *testing.T) {
	t.Parallel()
	const readTimeout = 100 * time.Millisecond
	b := newBench(t, ingest.Options{ReadTimeout: readTimeout}, stripehook.Options{}, secret)
	b.log.Fail(func(ctx context.Context) error {
		timer := time.NewTimer(3 * readTimeout)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	})
	if resp, answer := b.send(t, row{header: signed(body), body: body}); resp.StatusCode != 200 {
		t.Errorf("answered %d %s", resp.StatusCode, answer)
	}
}

func TestEveryPathReachesTheSameHandlerWithoutRedirect(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{}, stripehook.Options{}, secret)
	for _, path := range []string{"/webhooks/stripe", "/api/webhooks/stripe", "/stripe/webhook"} {
		for _, slash := range []string{"", "/", "?v=1"} {
			resp, answer := b.send(t, row{path: path + slash, header: signed(body), body: body})
			if resp.StatusCode != 200 {
				t.Errorf("%s: answered %d %s", path+slash, resp.StatusCode, answer)
			}
		}
	}
	if n := len(b.log.Events()); n != 1 {
		t.Errorf("stored %d events, want 1", n)
	}
}

func newServer(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}
