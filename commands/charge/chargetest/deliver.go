package chargetest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Step posts the webhooks that are due, at most Webhooks.Parallel of them and all at once, and waits for their answers.
// It reports whether there were any. A receiver that fails is no error of Step's: the delivery is repeated later.
func (s *Simulator) Step(ctx context.Context) (progressed bool, err error) {
	s.mu.Lock()
	client, parallel := s.hooks.Client, s.hooks.Parallel
	s.mu.Unlock()
	due := s.takeWebhooks(parallel)
	var posts sync.WaitGroup
	for _, d := range due {
		posts.Go(func() { s.Report(d, deliver(ctx, client, d)) })
	}
	posts.Wait()
	return len(due) > 0, ctx.Err()
}

// deliver returns the receiver's status, 0 if there was no answer.
func deliver(ctx context.Context, client *http.Client, d Delivery) int {
	r, err := d.Request(ctx)
	if err != nil {
		return 0
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody))
	_ = answer.Body.Close()
	return answer.StatusCode
}

// Run posts webhooks as they fall due until ctx ends or the simulator is closed, which is no error. What is being posted
// then is cut off, and would be repeated.
func (s *Simulator) Run(ctx context.Context) error {
	if !s.enter() {
		return ErrClosed
	}
	defer s.active.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() {
		defer cancel()
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	})
	defer cancel()
	for ctx.Err() == nil {
		s.mu.Lock()
		queued := s.queued.next()
		s.mu.Unlock()
		progressed, err := s.Step(ctx)
		if err != nil || progressed {
			continue
		}
		next, some := s.NextWebhook()
		if !some {
			next = time.Time{}
		}
		s.pause(next, queued, ctx.Done())
	}
	return nil
}
