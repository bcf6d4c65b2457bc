// Package loopback serves on 127.0.0.1, on ports that the system chooses.
package loopback

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Servers are what runs until Close. The zero value is none. They are for one goroutine at a time.
type Servers struct {
	all     []*http.Server
	running sync.WaitGroup
}

// Serve begins to serve h, and returns the address, host:port.
func (s *Servers) Serve(h http.Handler) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen on loopback: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.all = append(s.all, server)
	s.running.Go(func() { _ = server.Serve(l) }) // always an error: that it was closed
	return l.Addr().String(), nil
}

// Close closes the sockets and all connections, and returns when nothing is accepted any more. It does not wait for
// handlers.
func (s *Servers) Close() error {
	var errs []error
	for _, server := range s.all {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	return errors.Join(errs...)
}
