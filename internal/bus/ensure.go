package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// topics makes sure, once a topic, that it is there and fit for use. It is safe for concurrent use.
type topics struct {
	config Config
	conn   *connection
	log    *slog.Logger

	turn  chan struct{} // holds one token: whoever has it asks the brokers
	ready sync.Map      // topic: struct{}
}

func newTopics(c Config, conn *connection, log *slog.Logger) *topics {
	return &topics{config: c, conn: conn, log: log, turn: make(chan struct{}, 1)}
}

func (t *topics) isReady(topic string) bool {
	_, ok := t.ready.Load(topic)
	return ok || t.config.Topics == TopicsIgnore
}

// forget makes the next ensure look again.
func (t *topics) forget(topic string) { t.ready.Delete(topic) }

// ensure returns when the topic has a leader for each partition, or with an error; it tries again until ctx ends.
func (t *topics) ensure(ctx context.Context, topic string) error {
	if t.isReady(topic) {
		return nil
	}
	l, err := t.conn.get(ctx)
	if err != nil {
		return err
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return fmt.Errorf("bus: topic %s: %w", topic, ctx.Err())
	}
	if t.isReady(topic) {
		return nil
	}
	admin, err := sarama.NewClusterAdminFromClient(l.client) // shares the client, and is not closed
	if err != nil {
		return fmt.Errorf("bus: topic %s: %w", topic, err)
	}
	pause := 20 * time.Millisecond
	for {
		ok, err := t.look(l.client, admin, topic)
		if err != nil {
			return fmt.Errorf("bus: topic %s: %w", topic, err)
		}
		if ok {
			t.ready.Store(topic, struct{}{})
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("bus: topic %s has no leaders yet: %w", topic, ctx.Err())
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// look reports whether the topic is ready, and creates it if there is none and it may.
func (t *topics) look(client sarama.Client, admin sarama.ClusterAdmin, topic string) (bool, error) {
	found, err := admin.DescribeTopics([]string{topic})
	switch {
	case err != nil:
		return false, err
	case len(found) != 1:
		return false, errors.New("the broker does not describe it")
	case errors.Is(found[0].Err, sarama.ErrUnknownTopicOrPartition):
		if t.config.Topics != TopicsCreate {
			return false, fmt.Errorf("%w: it does not exist: create it, or let it be created", ErrConfig)
		}
		return false, t.create(admin, topic)
	case errors.Is(found[0].Err, sarama.ErrLeaderNotAvailable):
		return false, nil
	case !errors.Is(found[0].Err, sarama.ErrNoError):
		return false, found[0].Err
	}
	for _, p := range found[0].Partitions {
		if p.Leader < 0 || errors.Is(p.Err, sarama.ErrLeaderNotAvailable) {
			return false, nil
		}
	}
	if len(found[0].Partitions) == 0 {
		return false, nil
	}
	if err = t.verify(admin, found[0]); err == nil {
		err = client.RefreshMetadata(topic)
	}
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) {
		return false, nil // another broker, which has not heard of it yet
	}
	return err == nil, err
}

func (t *topics) create(admin sarama.ClusterAdmin, topic string) error {
	copies := t.config.Replication
	if copies == 0 {
		brokers, _, err := admin.DescribeCluster()
		if err != nil {
			return err
		}
		copies = min(3, max(1, len(brokers)))
	}
	insync := t.config.MinInsync
	if insync == 0 {
		insync = max(1, copies-1)
	}
	settings := map[string]string{
		"cleanup.policy":                 "delete",
		"min.insync.replicas":            strconv.Itoa(insync),
		"retention.ms":                   strconv.FormatInt(t.config.Retention.Milliseconds(), 10),
		"unclean.leader.election.enable": "false",
	}
	detail := &sarama.TopicDetail{NumPartitions: int32(t.config.Partitions), ReplicationFactor: int16(copies), ConfigEntries: make(map[string]*string)}
	for name, value := range settings {
		detail.ConfigEntries[name] = &value
	}
	err := admin.CreateTopic(topic, detail, false)
	switch {
	case errors.Is(err, sarama.ErrTopicAlreadyExists):
		return nil // somebody was faster
	case err != nil:
		return fmt.Errorf("create: %w", err)
	}
	t.log.Info("Kafka Topic Created", "topic", topic, "partitions", t.config.Partitions, "copies", copies, "min_insync", insync)
	return nil
}

// verify warns of settings under which records can be lost, and refuses those under which none can be written.
func (t *topics) verify(admin sarama.ClusterAdmin, found *sarama.TopicMetadata) error {
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: found.Name}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return fmt.Errorf("read its settings: %w", err)
	}
	settings := map[string]string{}
	for _, r := range results {
		if r.ErrorCode != sarama.ErrNoError {
			return fmt.Errorf("read its settings: %w", r.ErrorCode)
		}
		for _, e := range r.Configs {
			settings[e.Name] = e.Value
		}
	}
	copies := len(found.Partitions[0].Replicas)
	insync, _ := strconv.Atoi(settings["min.insync.replicas"])
	if insync > copies {
		return fmt.Errorf("%w: min.insync.replicas is %d of %d copies: nothing can be written", ErrConfig, insync, copies)
	}
	warn := func(when bool, what string) {
		if when {
			t.log.Warn("Kafka Topic Is Not As It Should Be: "+what, "topic", found.Name)
		}
	}
	warn(len(found.Partitions) != t.config.Partitions, fmt.Sprintf("%d partitions, not %d: never change the number while records are kept", len(found.Partitions), t.config.Partitions))
	warn(copies > 1 && insync < 2, "min.insync.replicas is 1: an acknowledged record can be lost with one broker")
	warn(settings["unclean.leader.election.enable"] == "true", "unclean leader elections lose acknowledged records")
	warn(settings["cleanup.policy"] != "" && settings["cleanup.policy"] != "delete", "cleanup.policy is not delete: compaction removes history")
	if limit, err := strconv.Atoi(settings["max.message.bytes"]); err == nil {
		warn(limit < t.config.MaxMessage, fmt.Sprintf("max.message.bytes is %d: records of up to %d bytes are sent", limit, t.config.MaxMessage))
	}
	return nil
}
