package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestReaderTakesLengthsAndChunks(t *testing.T) {
	t.Parallel()
	in := newReader(strings.NewReader("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nIDEMPOTENCY-KEY:  k 1 \r\n\r\nhello" +
		"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n" +
		"GET /c HTTP/1.1\r\nConnection: close\r\n\r\n"))
	for _, want := range []struct {
		first, key, body string
		last             bool
	}{
		{first: "POST /a HTTP/1.1", key: "k 1", body: "hello"},
		{first: "POST /b HTTP/1.1", body: "abc0123456789abcdef"},
		{first: "GET /c HTTP/1.1", last: true},
	} {
		m, err := in.read()
		if err != nil {
			t.Fatal(err)
		}
		if string(m.first) != want.first || m.key != want.key || string(m.body) != want.body || m.last != want.last {
			t.Errorf("got %q %q %q %v, want %+v", m.first, m.key, m.body, m.last, want)
		}
	}
	if _, err := in.read(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestReaderRefusesHalves(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell":            io.ErrUnexpectedEOF,
		"POST /a HTTP/1.1\r\nContent-Length: 5\r\n":                    io.ErrUnexpectedEOF,
		"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh": io.ErrUnexpectedEOF,
		"POST /a HTTP/1.1\r\nContent-Length: -5\r\n\r\n":               errMalformed,
		"POST /a HTTP/1.1\r\nno colon\r\n\r\n":                         errMalformed,
		"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": errMalformed,
	} {
		if _, err := newReader(strings.NewReader(text)).read(); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestClientSpeaksToNetHTTP(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/p" || r.Header.Get("X-A") != "b" || string(body) != "{}" {
			t.Errorf("got %s %q, header %q, %v", r.URL.Path, body, r.Header.Get("X-A"), err)
		}
		if r.Header.Get("X-A") == "b" && connections.Load() == 1 {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(make([]byte, 5000)) // more than one write: it comes in chunks
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	host := server.Listener.Addr().String()
	c := &client{address: host}
	defer c.close()
	for range 4 {
		if status, err := c.do(post(nil, host, "/p", "X-A: b", []byte("{}"))); err != nil || status != http.StatusAccepted {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections for four requests, want 2: one that the server closed, and one kept", n)
	}
}

func TestClientSendsAgainWhatAnIdleConnectionLost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var cut atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			_ = conn.Close() // without having said so
			cut.Add(1)
		}
	}()
	c := &client{address: l.Addr().String()}
	defer c.close()
	for range 3 {
		if status, err := c.do(post(nil, "x", "/", "A: b", nil)); err != nil || status != http.StatusOK {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if cut.Load() < 2 {
		t.Errorf("%d connections were cut, want at least 2", cut.Load())
	}
}
