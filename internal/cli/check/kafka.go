package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/config"
)

// kafka asks each broker of the configuration, and then the cluster.
func (k *checker) kafka(ctx context.Context) {
	c := k.config.KafkaBus()
	c.Timeout = k.Timeout
	settings, err := c.Sarama()
	if err != nil {
		k.fail("kafka", "`hooksaga config print` shows every setting of Kafka", "%v", err)
		return
	}
	settings.Metadata.Retry.Max, settings.Admin.Retry.Max = 1, 1
	good := 0
	for _, broker := range c.Brokers {
		if k.broker(ctx, broker, settings) {
			good++
		}
	}
	if good == 0 || ctx.Err() != nil {
		return // nothing more can be asked
	}
	client, err := sarama.NewClient(c.Brokers, settings)
	if err != nil {
		k.fail("kafka", "check HOOKSAGA_BUS", "the cluster cannot be asked: %v", err)
		return
	}
	defer client.Close()
	if !k.advertised(ctx, c.Brokers, client) {
		return
	}
	k.topics(client, c)
	k.group(ctx, client, c.Group)
}

// advertised dials the addresses under which brokers want to be reached: clients use no other after the first answer.
func (k *checker) advertised(ctx context.Context, known []string, client sarama.Client) bool {
	const what = "kafka"
	var names []string
	good := true
	for _, b := range client.Brokers() {
		names = append(names, b.Addr())
		if slices.Contains(known, b.Addr()) {
			continue
		}
		conn, err := k.connect(ctx, b.Addr())
		if err != nil {
			good = false
			k.fail(what+" "+b.Addr(), "set advertised.listeners of the broker to an address that this machine reaches", "the cluster names this broker, and it does not answer: %s", unreachable(err))
			continue
		}
		_ = conn.Close() // nothing was said
	}
	slices.Sort(names)
	if good {
		k.ok(what, "%d brokers: %s", len(names), strings.Join(names, ", "))
	}
	return good
}

// wanted are the topics that this configuration publishes to.
func (k *checker) wanted() []string {
	var names []string
	for _, name := range append([]string{stripehook.Name}, k.Compiled...) {
		if len(k.config.WebhookSecrets(name)) > 0 {
			names = append(names, name)
		}
	}
	for _, p := range k.config.Providers {
		if len(k.config.WebhookSecrets(p.Name)) > 0 {
			names = append(names, p.Name)
		}
	}
	return k.config.TopicMap().Names(names...)
}

// The operations of Kafka's authorizer that matter here (org.apache.kafka.common.acl.AclOperation), and what an answer without
// them says.
const (
	mayRead    = 1 << 3
	mayWrite   = 1 << 4
	notTold    = -1 << 31
	clientsAsk = 8 // the first version of Metadata that tells operations
)

func (k *checker) topics(client sarama.Client, c bus.Config) {
	broker, err := client.Controller()
	if err != nil {
		k.fail("kafka topics", "look at the cluster: without a controller nothing changes", "no controller answers: %v", err)
		return
	}
	ask := sarama.NewMetadataRequest(client.Config().Version, k.wanted())
	ask.IncludeTopicAuthorizedOperations = ask.Version >= clientsAsk
	answer, err := broker.GetMetadata(ask)
	if err != nil {
		k.fail("kafka topics", "check the broker's log", "they cannot be asked for: %v", err)
		return
	}
	admin, err := sarama.NewClusterAdminFromClient(client) // shares the client, and is not closed
	if err != nil {
		k.fail("kafka topics", "check the broker's log", "they cannot be asked for: %v", err)
		return
	}
	for _, t := range answer.Topics {
		k.topic(admin, c, t, len(client.Brokers()), ask.IncludeTopicAuthorizedOperations)
	}
}

func (k *checker) topic(admin sarama.ClusterAdmin, c bus.Config, t *sarama.TopicMetadata, brokers int, told bool) {
	what := "kafka topic " + t.Name
	switch t.Err {
	case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
	case sarama.ErrUnknownTopicOrPartition:
		k.missing(what, c, brokers)
		return
	case sarama.ErrTopicAuthorizationFailed:
		k.fail(what, "grant this user Describe, Read and Write on it", "the user may not see it")
		return
	default:
		k.fail(what, "check the broker's log", "%v", t.Err)
		return
	}
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			k.fail(what, "bring the brokers that hold it back", "partition %d has no leader", p.ID)
			return
		}
	}
	if ops := t.TopicAuthorizedOperations; told && ops != notTold && ops&(mayRead|mayWrite) != mayRead|mayWrite {
		k.fail(what, "grant this user Read and Write on it", "the user may not %s", lacking(ops))
		return
	}
	k.fit(admin, what, c, t)
}

func lacking(ops int32) string {
	var all []string
	if ops&mayRead == 0 {
		all = append(all, "read it")
	}
	if ops&mayWrite == 0 {
		all = append(all, "write to it")
	}
	return strings.Join(all, " nor ")
}

// missing is a topic that is not there.
func (k *checker) missing(what string, c bus.Config, brokers int) {
	switch {
	case c.Topics != bus.TopicsCreate:
		k.fail(what, fmt.Sprintf("create it with %d partitions, or set HOOKSAGA_KAFKA_TOPICS=create", c.Partitions), "it does not exist, and HOOKSAGA_KAFKA_TOPICS is %s", c.Topics)
	case c.Replication > brokers:
		k.fail(what, "lower HOOKSAGA_KAFKA_REPLICATION, or add brokers", "it does not exist, and cannot be made with %d copies on %d brokers", c.Replication, brokers)
	default:
		k.ok(what, "does not exist yet; it is made at its first use")
	}
}

// fit compares a topic with what is configured.
func (k *checker) fit(admin sarama.ClusterAdmin, what string, c bus.Config, t *sarama.TopicMetadata) {
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: t.Name, ConfigNames: []string{"min.insync.replicas", "cleanup.policy"}}},
		sarama.DescribeConfigsOptions{})
	if err == nil && (len(results) != 1 || results[0].ErrorCode != sarama.ErrNoError) {
		err = errors.New("the broker does not tell")
		if len(results) == 1 {
			err = results[0].ErrorCode
		}
	}
	if err != nil {
		k.fail(what, "grant this user DescribeConfigs on it, or set HOOKSAGA_KAFKA_TOPICS=ignore", "its settings cannot be read: %v", err)
		return
	}
	insync, policy := 0, ""
	for _, e := range results[0].Configs {
		switch e.Name {
		case "min.insync.replicas":
			_, _ = fmt.Sscan(e.Value, &insync) // 0 is said below
		case "cleanup.policy":
			policy = e.Value
		}
	}
	partitions, copies := len(t.Partitions), 0
	if partitions > 0 {
		copies = len(t.Partitions[0].Replicas)
	}
	shape := fmt.Sprintf("%d partitions, %d copies, %d in sync needed", partitions, copies, insync)
	switch {
	case insync > copies:
		k.fail(what, "lower its min.insync.replicas, or give it more copies", "%s: nothing can be written", shape)
	case strings.Contains(policy, "compact"):
		k.add(Warn, what, "set its cleanup.policy to delete", "%s; it is compacted, which removes history", shape)
	case partitions != c.Partitions:
		k.add(Warn, what, "set HOOKSAGA_KAFKA_PARTITIONS to what is there; never change the number while records are kept", "%s, and HOOKSAGA_KAFKA_PARTITIONS is %d", shape, c.Partitions)
	case c.Replication > 0 && copies != c.Replication:
		k.add(Warn, what, "give it as many copies, or set HOOKSAGA_KAFKA_REPLICATION to what is there", "%s, and HOOKSAGA_KAFKA_REPLICATION is %d", shape, c.Replication)
	case c.MinInsync > 0 && insync != c.MinInsync:
		k.add(Warn, what, "change its min.insync.replicas, or HOOKSAGA_KAFKA_MIN_INSYNC", "%s, and HOOKSAGA_KAFKA_MIN_INSYNC is %d", shape, c.MinInsync)
	case copies > 1 && insync < 2:
		k.add(Warn, what, "set its min.insync.replicas to 2", "%s: an acknowledged record can be lost with one broker", shape)
	case copies == 1 && k.config.Env == config.Production:
		k.add(Warn, what, "give it three copies", "%s: its records are lost with their broker, and found by the sweep", shape)
	default:
		k.ok(what, "%s", shape)
	}
}

// group asks whether this user may be a member of the consumer group. A cluster that has just started gives it a
// coordinator only when it is first asked for one, and is asked again for a while.
func (k *checker) group(ctx context.Context, client sarama.Client, name string) {
	what := "kafka group " + name
	found, err := describe(client, name)
	patience, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	for unsettled(err) && patience.Err() == nil {
		select {
		case <-patience.Done():
		case <-time.After(200 * time.Millisecond):
		}
		if err = client.RefreshCoordinator(name); err == nil {
			found, err = describe(client, name)
		}
	}
	switch {
	case errors.Is(err, sarama.ErrGroupAuthorizationFailed):
		k.fail(what, "grant this user Read on the group", "the user may not use it")
	case err != nil:
		k.fail(what, "check the broker's log", "it cannot be asked for: %v", err)
	case len(found.Members) == 0:
		k.ok(what, "may be used; nobody is in it now")
	default:
		k.ok(what, "%s, %d members", found.State, len(found.Members))
	}
}

// unsettled reports whether the group has no coordinator yet, or another one by now.
func unsettled(err error) bool {
	return errors.Is(err, sarama.ErrNotCoordinatorForConsumer) || errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable) ||
		errors.Is(err, sarama.ErrOffsetsLoadInProgress)
}

// describe asks a group's coordinator for it. A group that this user may not read is an error.
func describe(client sarama.Client, name string) (*sarama.GroupDescription, error) {
	coordinator, err := client.Coordinator(name)
	if err != nil {
		return nil, err
	}
	answer, err := coordinator.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 4, Groups: []string{name}, IncludeAuthorizedOperations: true})
	if err != nil {
		return nil, err
	}
	if len(answer.Groups) != 1 {
		return nil, errors.New("the broker does not describe it")
	}
	g := answer.Groups[0]
	switch {
	case g.Err != sarama.ErrNoError:
		return nil, g.Err
	case g.AuthorizedOperations != notTold && g.AuthorizedOperations&mayRead == 0:
		return nil, sarama.ErrGroupAuthorizationFailed
	}
	return g, nil
}
