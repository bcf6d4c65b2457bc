package chargetest

import (
	"bytes"
	"io"
	"sync"
)

// stream is a body that is read while it is written. Writing never blocks; reading waits for what is written next.
type stream struct {
	mu   sync.Mutex
	wake *sync.Cond
	buf  bytes.Buffer
	end  error // what a reader gets once buf is empty
	stop func() bool
}

func newStream() *stream {
	b := &stream{}
	b.wake = sync.NewCond(&b.mu)
	return b
}

func (b *stream) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.buf.Len() == 0 && b.end == nil {
		b.wake.Wait()
	}
	if b.buf.Len() > 0 {
		return b.buf.Read(p)
	}
	return 0, b.end
}

// Write fails once the stream has ended, as it does when its reader has left.
func (b *stream) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end != nil {
		return 0, io.ErrClosedPipe
	}
	b.wake.Broadcast()
	return b.buf.Write(p)
}

// finish ends the stream; only the first end counts.
func (b *stream) finish(end error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil {
		b.end = end
		b.wake.Broadcast()
	}
}

// Close is the reader's: it wants no more.
func (b *stream) Close() error {
	b.stop()
	b.finish(io.ErrClosedPipe)
	return nil
}
