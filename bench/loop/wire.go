package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// The load and the gateway speak just enough HTTP/1.1 (RFC 9112) over plain connections: with net/http on this side, the
// side that measures would cost as much as what it measures.

// message is a request or a response. Its slices are good until the next read from the same connection.
type message struct {
	first []byte // the request line or the status line
	key   string // of the header Idempotency-Key
	last  bool   // the other side closes the connection after it
	body  []byte
}

var errMalformed = errors.New("malformed HTTP message")

// reader reads messages from one connection.
type reader struct {
	in    *bufio.Reader
	first []byte
	body  []byte
}

func newReader(c io.Reader) *reader { return &reader{in: bufio.NewReaderSize(c, 16<<10)} }

// read reads one message with its body, whether that has a length or comes in chunks.
func (r *reader) read() (m message, err error) {
	line, err := r.line()
	if err != nil {
		return m, err
	}
	r.first = append(r.first[:0], line...)
	m.first = r.first
	length, chunked := 0, false
	for {
		if line, err = r.line(); err != nil {
			return m, unexpected(err)
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return m, errMalformed
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return m, errMalformed
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Idempotency-Key")):
			m.key = string(value)
		case bytes.EqualFold(name, []byte("Connection")):
			m.last = bytes.EqualFold(value, []byte("close"))
		}
	}
	r.body = r.body[:0]
	if chunked {
		err = r.chunks()
	} else {
		err = r.take(length)
	}
	m.body = r.body
	return m, err
}

// line returns the next line without its end.
func (r *reader) line() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// take appends n bytes to the body.
func (r *reader) take(n int) error {
	at := len(r.body)
	if cap(r.body) < at+n {
		r.body = append(make([]byte, 0, 2*(at+n)), r.body...)
	}
	r.body = r.body[:at+n]
	_, err := io.ReadFull(r.in, r.body[at:])
	return unexpected(err)
}

func (r *reader) chunks() error {
	for {
		line, err := r.line()
		if err != nil {
			return unexpected(err)
		}
		size, err := strconv.ParseUint(string(line), 16, 24)
		if err != nil {
			return errMalformed
		}
		if err := r.take(int(size)); err != nil {
			return err
		}
		if end, err := r.line(); err != nil || len(end) != 0 { // trailers are not sent by anybody here
			return errMalformed
		}
		if size == 0 {
			return nil
		}
	}
}

// unexpected is the error of a message that ends before its end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// client sends requests on one connection, which it opens when it needs it. It is for one goroutine at a time.
type client struct {
	address string
	conn    net.Conn
	in      *reader
}

// answerWithin is how long a contender may take to answer.
const answerWithin = time.Minute

// do sends a request and returns the answer's status. One that fails on a connection that was used before is sent again
// on a new one: the receiver may have closed it meanwhile, and everything that is sent here may come twice.
func (c *client) do(request []byte) (status int, err error) {
	if used := c.conn != nil; used {
		if status, err = c.exchange(request); err == nil {
			return status, nil
		}
	}
	if c.conn, err = net.Dial("tcp", c.address); err != nil {
		c.conn = nil
		return 0, err
	}
	c.in = newReader(c.conn)
	return c.exchange(request)
}

func (c *client) exchange(request []byte) (status int, err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	m, err := c.in.read()
	if err != nil {
		return 0, err
	}
	if status, err = statusOf(m.first); err == nil && m.last {
		c.close()
	}
	return status, err
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is written that matters any more
		c.conn = nil
	}
}

func statusOf(line []byte) (int, error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, errMalformed
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, errMalformed
	}
	return status, nil
}

// post makes the bytes of a request. The extra header is a whole line without its end.
func post(dst []byte, host, path, header string, body []byte) []byte {
	dst = fmt.Appendf(dst, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n\r\n",
		path, host, len(body), header)
	return append(dst, body...)
}
