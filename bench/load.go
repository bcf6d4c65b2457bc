package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// loaded is what a load has measured.
type loaded struct {
	Rate     float64 // answers 200 a second
	P50, P99 float64 // milliseconds from the first byte sent to the last one read
}

// load is the part of a provider: it sends signed webhooks over so many connections, each as soon as the one before is
// answered, and writes what it measured as JSON. An answer other than 200 ends it. The client is written by hand, so that
// as little as possible of the machine is its.
func load(ctx context.Context, args []string, _ io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	addr := f.String("addr", "", "")
	each := f.Duration("for", time.Second, "")
	ids := f.String("ids", "", "")
	connections := f.Int("connections", callers, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	l := &loading{bodies: newBodies(*ids), addr: *addr, lines: make([]line, *connections)}
	rates, err := rate(ctx, *connections, *each, l.webhook)
	err = errors.Join(err, l.hangUp())
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(loaded{Rate: rates[0], P50: milliseconds(l.percentile(50)), P99: milliseconds(l.percentile(99))})
}

type loading struct {
	bodies bodies
	addr   string
	next   atomic.Int64
	lines  []line // of each caller
}

type line struct {
	conn net.Conn
	in   *bufio.Reader
	out  bytes.Buffer
	took []time.Duration
}

// webhook sends one over the caller's connection and reads the answer.
func (l *loading) webhook(ctx context.Context, caller int) error {
	c := &l.lines[caller]
	if c.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.addr)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	body := l.bodies.body(int(l.next.Add(1)))
	c.out.Reset()
	fmt.Fprintf(&c.out, "POST /webhooks/stripe HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\nStripe-Signature: %s\r\n\r\n",
		len(body), sign(body, time.Now()))
	c.out.Write(body)
	start := time.Now()
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return err
	}
	if err := answer(c.in); err != nil {
		return err
	}
	c.took = append(c.took, time.Since(start))
	return nil
}

// answer reads a response with a Content-Length.
func answer(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answered %s", line)
		}
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answered without a length")
	}
	_, err := in.Discard(length)
	return err
}

// sign makes the header that Stripe sends (https://docs.stripe.com/webhooks#verify-manually).
func sign(body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

func (l *loading) percentile(p int) time.Duration {
	var all []time.Duration
	for i := range l.lines {
		all = slices.Concat(all, l.lines[i].took)
	}
	return percentile(all, p)
}

func (l *loading) hangUp() error {
	var errs []error
	for i := range l.lines {
		if c := l.lines[i].conn; c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
