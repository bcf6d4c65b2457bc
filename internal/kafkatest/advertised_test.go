package kafkatest_test

import (
	"testing"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

// Who comes from outside is told of what lies in between, and who does not of the broker itself.
func TestNodesAdvertiseWhatLiesInBetween(t *testing.T) {
	t.Parallel()
	const between = "127.0.0.1:1"
	c, err := kafkatest.StartWith(t.Context(), t.TempDir(), kafkatest.Options{Advertised: []string{between}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	for asked, want := range map[string]string{c.Outside()[0]: between, c.Brokers()[0]: c.Brokers()[0]} {
		b := sarama.NewBroker(asked)
		if err := b.Open(config()); err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		m, err := b.GetMetadata(sarama.NewMetadataRequest(sarama.V2_8_0_0, nil))
		if err != nil || len(m.Brokers) != 1 || m.Brokers[0].Addr() != want {
			t.Errorf("%s is told of %+v: %v", asked, m, err)
		}
	}
}
