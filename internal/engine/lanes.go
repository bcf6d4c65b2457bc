package engine

import (
	"context"
	"errors"
	"sync"
)

// lanes hand inputs in: those of different keys at the same time, as many as n; with n of 1 on the caller's stack.
type lanes struct {
	n    int
	hand func(context.Context, *Input) error
}

// deliver hands inputs in, those of one key one after the other, and returns when all are handled. After an error the
// rest of its key is left: whoever delivers takes it up again.
func (l lanes) deliver(ctx context.Context, inputs []*Input) error {
	byKey := map[string][]*Input{}
	var order []string
	for _, in := range inputs {
		key := in.Instance()
		if key == "" {
			key = "\x00" + in.Guard
		}
		if byKey[key] == nil {
			order = append(order, key)
		}
		byKey[key] = append(byKey[key], in)
	}
	errs := make([]error, len(order))
	if l.n == 1 || len(order) == 1 {
		for i, key := range order {
			errs[i] = l.run(ctx, byKey[key])
		}
		return errors.Join(errs...)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, l.n)
	for i, key := range order {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = l.run(ctx, byKey[key])
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l lanes) run(ctx context.Context, lane []*Input) error {
	for _, in := range lane {
		if err := l.hand(ctx, in); err != nil {
			return err
		}
	}
	return nil
}
