package bus

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// Sarama is the settings with which this bus's connections are made, for who wants to look at brokers as the bus sees them.
// Its error matches ErrConfig.
func (c Config) Sarama() (*sarama.Config, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return c.client()
}

// client is the settings of every connection. A new one is made for each client: they may not be shared.
//
// sarama's and watermill-kafka's own defaults acknowledge on one broker, reorder on retry, begin at the newest record and
// create topics by the way. None of that may ever come back: a test holds these values.
func (c Config) client() (*sarama.Config, error) {
	s := sarama.NewConfig()
	s.ClientID = c.ClientID
	s.Version = sarama.V2_8_0_0 // an upper pin: sarama negotiates what the broker knows below it

	s.Net.DialTimeout, s.Net.ReadTimeout, s.Net.WriteTimeout = c.Timeout, c.Timeout+c.Timeout/2, c.Timeout
	s.Net.MaxOpenRequests = 1
	s.Admin.Timeout = c.Timeout
	s.Metadata.AllowAutoTopicCreation = false
	s.Metadata.Timeout = c.Timeout
	s.Metadata.Retry.Max = 3
	s.Metadata.Retry.BackoffFunc = backoff

	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Producer.Idempotent = true
	s.Producer.Partitioner = sarama.NewMurmur2Partitioner // as Java and franz-go do; another would move keys
	s.Producer.Compression = sarama.CompressionSnappy     // a broker then costs a third (docs/adr/0007)
	s.Producer.MaxMessageBytes = c.MaxMessage
	s.Producer.Timeout = c.Timeout
	s.Producer.Retry.Max = c.Retries
	s.Producer.Retry.BackoffFunc = backoff
	s.Producer.Return.Successes, s.Producer.Return.Errors = true, true
	// Without this the first record of a call goes alone, and all that follow wait for its acknowledgement. Within one
	// millisecond a full call of the relay's (512) often does not arrive, and is cut in two.
	s.Producer.Flush.Frequency, s.Producer.Flush.Messages = 2*time.Millisecond, 512

	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Return.Errors = true
	s.Consumer.Retry.Backoff = 500 * time.Millisecond
	s.Consumer.MaxProcessingTime = 30 * time.Second
	s.Consumer.Group.Heartbeat.Interval = time.Second // after which a member learns that another joins, who waits for it
	s.Consumer.Group.Rebalance.Timeout = c.Timeout    // below Net.ReadTimeout: a join must be answered before it is given up
	if err := c.TLS.apply(s); err != nil {
		return nil, err
	}
	c.SASL.apply(s)
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return s, nil
}

// backoff doubles from 50 ms to 1 s. Five retries wait 1.55 s.
func backoff(retries, _ int) time.Duration {
	return min(50*time.Millisecond<<min(max(retries-1, 0), 5), time.Second)
}
