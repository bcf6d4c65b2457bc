package chargetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// Transport reaches the simulator without a socket; see InMemory.
func (s *Simulator) Transport() http.RoundTripper { return InMemory(s) }

// InMemory is a transport to a handler in the same process. Each request runs on a goroutine of its own, to its end even
// if the request's context ends before: RoundTrip then returns the context's error and the handler finds its request's
// context done. A handler that panics with http.ErrAbortHandler cuts the connection: RoundTrip, or the reading of the
// body, fails with io.ErrUnexpectedEOF. The body is handed over when the handler returns, or from its first Flush on as
// it is written. It uses no timer and no socket, so that it works in a bubble of testing/synctest.
func InMemory(h http.Handler) http.RoundTripper { return inMemory{handler: h} }

type inMemory struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in, err := inbound(ctx, r)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &memoryWriter{header: http.Header{}, request: r, ready: make(chan reply, 1)}
	go func() {
		defer cancel()
		defer w.finish()
		t.handler.ServeHTTP(w, in)
		w.complete = true
	}()
	select {
	case out := <-w.ready:
		return out.response, out.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// inbound makes of a client's request one for a handler.
func inbound(ctx context.Context, r *http.Request) (*http.Request, error) {
	in := r.Clone(ctx)
	var body []byte
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("read the request's body: %w", err)
		}
		body = read
	}
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.ContentLength = int64(len(body))
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "memory"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	return in, ctx.Err()
}

type reply struct {
	response *http.Response
	err      error
}

// memoryWriter collects an answer; only the handler's goroutine uses it, but for the stream.
type memoryWriter struct {
	header   http.Header
	sent     http.Header // as it was at WriteHeader
	status   int
	buf      bytes.Buffer
	stream   *stream // after the first Flush
	request  *http.Request
	ready    chan reply
	complete bool
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.stream != nil {
		return w.stream.Write(p)
	}
	return w.buf.Write(p)
}

// FlushError hands the answer over as far as it is written.
func (w *memoryWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	ctx := w.request.Context()
	if err := ctx.Err(); err != nil || w.stream != nil {
		return err
	}
	w.stream = newStream()
	w.stream.stop = context.AfterFunc(ctx, func() { w.stream.finish(ctx.Err()) })
	w.send(w.stream, -1)
	_, err := w.stream.Write(w.buf.Bytes())
	return err
}

// finish runs when the handler returns or panics.
func (w *memoryWriter) finish() {
	if !w.complete {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}
	switch {
	case w.stream != nil && w.complete:
		w.stream.finish(io.EOF)
	case w.stream != nil:
		w.stream.finish(io.ErrUnexpectedEOF)
	case w.complete:
		w.WriteHeader(http.StatusOK)
		w.send(io.NopCloser(bytes.NewReader(w.buf.Bytes())), int64(w.buf.Len()))
	default:
		w.ready <- reply{err: fmt.Errorf("connection cut: %w", io.ErrUnexpectedEOF)}
	}
}

func (w *memoryWriter) send(body io.ReadCloser, length int64) {
	w.ready <- reply{response: &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: length, Request: w.request,
	}}
}
