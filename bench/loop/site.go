package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// servers are the Postgres and the Kafka that all contenders share.
type servers struct {
	postgres string // URL of the administrative database
	brokers  string // host:port,host:port; "" where nobody needs Kafka
	stops    []func() error
}

// startServers uses those that the environment names, and starts throwaway ones for those that it does not.
func startServers(ctx context.Context, kafka bool) (_ *servers, err error) {
	s := &servers{postgres: os.Getenv(pgtest.Variable)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.postgres == "" {
		server, err := pgtest.Start(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("start Postgres (or set %s): %w", pgtest.Variable, err)
		}
		s.stops = append(s.stops, server.Stop)
		s.postgres = server.URL()
	}
	if !kafka {
		return s, nil
	}
	if s.brokers = os.Getenv(kafkatest.Variable); s.brokers == "" {
		cluster, err := kafkatest.Start(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("start Kafka (or set %s): %w", kafkatest.Variable, err)
		}
		s.stops = append(s.stops, cluster.Stop)
		s.brokers = strings.Join(cluster.Brokers(), ",")
	}
	return s, nil
}

func (s *servers) stop() error {
	var errs []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		errs = append(errs, s.stops[i]())
	}
	return errors.Join(errs...)
}

// brokerPorts are the ports of the brokers that are on this machine.
func (s *servers) brokerPorts() (ports []int) {
	for address := range strings.SplitSeq(s.brokers, ",") {
		host, port, err := net.SplitHostPort(address)
		if n, bad := strconv.Atoi(port); err == nil && bad == nil && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
			ports = append(ports, n)
		}
	}
	return ports
}

// site is what one contender has to itself for one trial: an empty database, and a Kafka without topics.
type site struct {
	database string // URL
	brokers  string
	db       *sql.DB // two connections, for the runner's questions
	drop     func(context.Context) error
}

// prepare makes a site. The checkpoint leaves every contender the same log to fill before the next one.
func (s *servers) prepare(ctx context.Context, kafka bool) (_ *site, err error) {
	name := "hooksaga_loop_" + strings.ToLower(rand.Text())
	url, err := pgtest.CreateDatabase(ctx, s.postgres, name)
	if err != nil {
		return nil, err
	}
	at := &site{database: url, drop: func(ctx context.Context) error { return pgtest.DropDatabase(ctx, s.postgres, name) }}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.remove(context.WithoutCancel(ctx)))
		}
	}()
	connector, err := pq.NewConnector(url)
	if err != nil {
		return nil, err
	}
	at.db = sql.OpenDB(connector)
	at.db.SetMaxOpenConns(2)
	if _, err := at.db.ExecContext(ctx, `checkpoint`); err != nil {
		return nil, fmt.Errorf("checkpoint before a trial: %w", err)
	}
	if kafka {
		at.brokers = s.brokers
		err = emptyKafka(strings.Split(s.brokers, ","))
	}
	return at, err
}

func (at *site) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	if at.db != nil {
		err = at.db.Close()
	}
	return errors.Join(err, at.drop(ctx))
}

// emptyKafka removes all topics and consumer groups of earlier trials. What others keep on a Kafka of their own is not
// for a benchmark to share.
func emptyKafka(brokers []string) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		return fmt.Errorf("reach Kafka: %w", err)
	}
	defer func() { _ = admin.Close() }()
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	for name := range topics {
		if strings.HasPrefix(name, "__") {
			continue
		}
		if !slices.ContainsFunc([]string{"integration-", "hooksaga", "payments.", "peer-"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return fmt.Errorf("topic %q is not of a benchmark: this needs a Kafka of its own", name)
		}
		if err := admin.DeleteTopic(name); err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", name, err)
		}
	}
	groups, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	for name := range groups {
		if err := admin.DeleteConsumerGroup(name); err != nil && !errors.Is(err, sarama.ErrGroupIDNotFound) {
			return fmt.Errorf("delete consumer group %s: %w", name, err)
		}
	}
	return nil
}
