package kafkasuite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// TestTopicsAreMadeAndVerified: what is missing is made as configured, by one of two that ask at once; what is there is
// looked at, and never changed; one that nothing can be written to is refused.
func TestTopicsAreMadeAndVerified(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		_, admin := client(t, at)
		ours, theirs, dead := unique("ours"), unique("theirs"), unique("dead")
		one, three, compact := "1", "3", "compact"
		for name, d := range map[string]*sarama.TopicDetail{
			theirs: {NumPartitions: 4, ReplicationFactor: 2, ConfigEntries: map[string]*string{"min.insync.replicas": &one, "cleanup.policy": &compact}},
			dead:   {NumPartitions: 1, ReplicationFactor: 2, ConfigEntries: map[string]*string{"min.insync.replicas": &three}},
		} {
			if err := admin.CreateTopic(name, d, false); err != nil {
				t.Fatal(err)
			}
		}
		log := &logged{}
		k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: at.addresses(), Role: "test", Timeout: 10 * time.Second}, slog.New(log))
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		var asking sync.WaitGroup
		for _, k := range []*bus.Kafka{k, s.kafka(func(c *bus.Config) { c.Partitions, c.Timeout = 12, 10*time.Second })} {
			asking.Go(func() {
				if err := k.Ensure(t.Context(), ours); err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if err := k.Ensure(t.Context(), theirs); err != nil {
			t.Error(err)
		}
		if got, want := described(t, admin, ours), "12 partitions, 3 copies, cleanup.policy=delete min.insync.replicas=2 retention.ms=604800000 unclean.leader.election.enable=false"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := described(t, admin, theirs); !strings.HasPrefix(got, "4 partitions, 2 copies, cleanup.policy=compact min.insync.replicas=1") {
			t.Errorf("somebody else's topic was changed: %s", got)
		}
		for _, want := range []string{"4 partitions, not 12", "compaction removes history", "min.insync.replicas is 1"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no warning that %s in %s", want, log)
			}
		}
		if _, faked := at.(*fake); !faked { // which has as many copies as brokers
			if err := k.Ensure(t.Context(), dead); !errors.Is(err, bus.ErrConfig) || !strings.Contains(err.Error(), "3 of 2 copies") {
				t.Errorf("a topic that takes nothing: %v", err)
			}
		}
		verifying := s.kafka(func(c *bus.Config) { c.Topics, c.Timeout = bus.TopicsVerify, 10*time.Second })
		if err := verifying.Ensure(t.Context(), unique("absent")); !errors.Is(err, bus.ErrConfig) {
			t.Errorf("a missing topic, where none is to be made: %v", err)
		}
	})
}

func described(t *testing.T, admin sarama.ClusterAdmin, topic string) string {
	t.Helper()
	found, err := admin.DescribeTopics([]string{topic})
	if err != nil || len(found) != 1 || len(found[0].Partitions) == 0 {
		t.Fatalf("%s: %v %v", topic, found, err)
	}
	names := []string{"cleanup.policy", "min.insync.replicas", "retention.ms", "unclean.leader.election.enable"}
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic, ConfigNames: names}}, sarama.DescribeConfigsOptions{})
	if err != nil || len(results) != 1 {
		t.Fatalf("%v: %v", results, err)
	}
	values := map[string]string{}
	for _, e := range results[0].Configs {
		values[e.Name] = e.Value
	}
	text := fmt.Sprintf("%d partitions, %d copies,", len(found[0].Partitions), len(found[0].Partitions[0].Replicas))
	for _, name := range names {
		text += " " + name + "=" + values[name]
	}
	return text
}

// TestRecordsAreCloudEvents: what stands in a topic is the Kafka binding's binary mode of CloudEvents 1.0, keyed by the
// subject, and names the place in the store.
func TestRecordsAreCloudEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		s := newShop(t, at)
		s.sell(3, 2)
		stop := s.run(s.station("one", s.kafka(nil), 0))
		s.relayed()
		stop()
		head, err := s.store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.store.After(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]record{}
		for _, r := range tape(t, at, s.topic) {
			got[r.position] = r
		}
		for _, e := range events {
			r := got[int(e.Position)]
			want := map[string]string{"ce_specversion": "1.0", "ce_id": e.ID, "ce_type": "invoice.paid", "ce_source": "stripe/test", "ce_subject": e.Subject,
				"ce_time": e.Time.Format(time.RFC3339Nano), "content-type": "application/json", "ce_partitionkey": e.Subject, "ce_sequence": fmt.Sprint(e.Version),
				"ce_globalposition": fmt.Sprint(e.Position), "ce_storeid": head.StoreID, "ce_epoch": fmt.Sprint(head.Epoch), "ce_stream": e.Stream, "ce_correlationid": e.CorrelationID}
			if diff := cmp.Diff(want, r.headers); diff != "" || r.key != e.Subject || r.value != string(e.Body) {
				t.Errorf("position %d: key %s, value %s, headers %s", e.Position, r.key, r.value, diff)
			}
		}
		if len(got) != 3 {
			t.Errorf("%d records", len(got))
		}
	})
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, r.Message)
	return nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
