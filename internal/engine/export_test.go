package engine

import "context"

// Next is what Run repeats.
func (s *Sweep) Next(ctx context.Context) (bool, error) { return s.next(ctx) }
