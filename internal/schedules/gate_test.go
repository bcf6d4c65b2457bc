package schedules_test

import (
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// gate stands before Stripe and holds connections in the middle of their TLS handshake: a process that has come so far has
// its command claimed and frozen, and cannot have sent a byte of the request.
type gate struct {
	url     string
	trusted string        // file with Stripe's certificate, for SSL_CERT_FILE
	arrived chan struct{} // closed when the first connection has asked for the handshake
	opened  chan struct{} // closed to let connections through
	greeted chan struct{} // closed when Stripe's half of a handshake is on its way back
	conns   atomic.Int32
}

// gate puts TLS and a gate before the simulator.
func (w *outside) gate() *gate {
	w.Helper()
	g := &gate{arrived: make(chan struct{}), opened: make(chan struct{}), greeted: make(chan struct{})}
	stripe := httptest.NewTLSServer(w.sim)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	g.url, g.trusted = "https://"+front.Addr().String(), filepath.Join(w.TempDir(), "stripe.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stripe.Certificate().Raw})
	if err := os.WriteFile(g.trusted, cert, 0o600); err != nil {
		w.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.pass(conn, stripe.Listener.Addr().String()) })
		}
	})
	w.Cleanup(func() {
		_ = front.Close() // fails if it is closed, which is what is wanted
		g.open()
		if err := w.sim.Close(); err != nil {
			w.Error(err)
		}
		stripe.CloseClientConnections()
		stripe.Close()
		running.Wait()
	})
	return g
}

// open lets connections through.
func (g *gate) open() {
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

// pass holds a connection after its first bytes, and then passes everything on, both ways. An error is an end.
func (g *gate) pass(client net.Conn, to string) {
	defer client.Close()
	hello := make([]byte, 4<<10)
	n, err := client.Read(hello)
	if err != nil {
		return
	}
	if g.conns.Add(1) == 1 {
		close(g.arrived)
	}
	<-g.opened
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	if _, err := server.Write(hello[:n]); err != nil {
		return
	}
	n, err = server.Read(hello)
	if err != nil {
		return
	}
	if _, err := client.Write(hello[:n]); err != nil {
		return
	}
	select {
	case <-g.greeted:
	default:
		close(g.greeted)
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close()
	both.Wait()
}
