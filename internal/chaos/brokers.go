package main

import (
	"context"
	"fmt"
)

// brokers is how many nodes Kafka has: a topic's records are on all, and most have to have one before it counts.
const brokers = 3

// breakBrokers plays one act of its lane.
func (s *stage) breakBrokers(ctx context.Context, a act) error {
	cluster := s.place.cluster
	id := 1 + pick(a.draw[0], brokers)
	switch a.kind {
	case brokerKilled:
		if err := cluster.KillNode(id); err != nil {
			return err
		}
		s.count(a.kind, true)
		rest(ctx, a.lasts)
		return cluster.StartNode(context.WithoutCancel(ctx), id)
	case brokerStopped:
		if err := cluster.PauseNode(id); err != nil {
			return err
		}
		s.count(a.kind, true)
		rest(ctx, a.lasts)
		return cluster.ResumeNode(id)
	case quorumLost:
		second := 1 + id%brokers
		for _, n := range []int{id, second} {
			if err := cluster.PauseNode(n); err != nil {
				return err
			}
		}
		s.count(a.kind, true)
		rest(ctx, a.lasts)
		for _, n := range []int{id, second} {
			if err := cluster.ResumeNode(n); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("no such fault of Kafka: %s", a.kind)
	}
}
