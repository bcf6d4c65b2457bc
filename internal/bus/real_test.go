package bus_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// TestApacheKafka: a real broker creates our topics, keeps what it acknowledged, in order a key, and a group starts at
// the oldest record.
func TestApacheKafka(t *testing.T) {
	t.Parallel()
	brokers := kafkatest.Brokers(t)
	topic := "hooksaga-test-" + rand.Text()
	role := "test-" + rand.Text()
	k := open(t, brokers, func(c *bus.Config) { c.Role = role })
	var batch []*message.Message
	want := map[string]string{}
	for i := range 200 {
		key, id := fmt.Sprint("cus_", i%7), fmt.Sprint("evt_", i)
		batch = append(batch, keyed(t, key, id))
		want[key] += " " + id
	}
	if err := k.Publisher().Publish(topic, batch...); err != nil {
		t.Fatal(err)
	}
	got, n := map[string]string{}, 0
	all := make(chan *message.Message, len(batch))
	_, gate := router(t, k.Subscriber(), topic, func(m *message.Message) error { all <- m; return nil })
	for m := range all {
		got[m.Metadata.Get(bus.HeaderPartitionKey)] += " " + m.UUID
		if n++; n == len(batch) {
			break
		}
	}
	if err := gate.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for key, ids := range want {
		if got[key] != ids {
			t.Errorf("%s: got%s, want%s", key, got[key], ids)
		}
	}
	if s := strings.Count(fmt.Sprint(records(t, brokers, topic, len(batch))), "evt_"); s == 0 {
		t.Error("no records")
	}
}
