package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestProgressCountsEachStepOfAnOrderOnce(t *testing.T) {
	t.Parallel()
	orders := placing(plan{seed: 1, orders: 2}, time.Unix(1, 0))
	way := newProgress(orders, 2)
	for range 2 {
		for s := range stepsPerOrder {
			way.pass(orders[0].ID, s)
			way.pass("nobody's", s)
		}
	}
	if n, _ := way.count(); n != int(stepsPerOrder) || way.total() != 2*int(stepsPerOrder) {
		t.Errorf("%d of %d", n, way.total())
	}
}

func TestProgressMakesRoomWhenAnOrderEnds(t *testing.T) {
	t.Parallel()
	orders := placing(plan{seed: 1, orders: 2}, time.Unix(1, 0))
	way := newProgress(orders, 1)
	if err := way.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := way.begin(over); !errors.Is(err, context.Canceled) {
		t.Errorf("there was room: %v", err)
	}
	go way.pass(orders[0].ID, ended)
	if err := way.begin(t.Context()); err != nil {
		t.Error(err)
	}
	if err := way.wait(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := way.wait(over, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("a step too many: %v", err)
	}
}
