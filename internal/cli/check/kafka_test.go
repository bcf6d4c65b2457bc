package check_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/cli/check"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/testenv/authority"
)

const topic = "kafka topic integration-stripe-events"

// asked looks at a Kafka, with a store that is not there yet.
func asked(t *testing.T, o check.Options, brokers []string, env ...string) findings {
	t.Helper()
	return looked(t, o, append([]string{"HOOKSAGA_STORE=sqlite:" + t.TempDir() + "/check.db", "HOOKSAGA_BUS=kafka://" + strings.Join(brokers, ",")}, env...)...)
}

// names are the settings of a user.
func names(mechanism, user, password string) []string {
	return []string{"HOOKSAGA_KAFKA_SASL=" + mechanism, "HOOKSAGA_KAFKA_USERNAME=" + user, "HOOKSAGA_KAFKA_PASSWORD=" + password}
}

func TestKafkaThatIsAsItShouldBe(t *testing.T) {
	t.Parallel()
	ca, pair := authority.For(t)
	server, err := ca.Server(true)
	if err != nil {
		t.Fatal(err)
	}
	cluster := kafkatest.FakeCluster(t, kfake.NumBrokers(3), kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser(bus.SCRAMSHA512, "shop", "dev-password"))
	env := append(names(bus.SCRAMSHA512, "shop", "dev-password"), "HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA="+ca.File,
		"HOOKSAGA_KAFKA_TLS_CERT="+pair.CertFile, "HOOKSAGA_KAFKA_TLS_KEY="+pair.KeyFile)
	for _, f := range asked(t, check.Options{}, cluster.ListenAddrs(), env...) {
		if f.Status == check.Fail {
			t.Errorf("%+v", f)
		}
	}
	got := asked(t, check.Options{}, cluster.ListenAddrs(), env...)
	got.passes(t, "kafka "+cluster.ListenAddrs()[0], "TLS mutual TLS, SASL SCRAM-SHA-512 as shop")
	got.passes(t, topic, "does not exist yet")
	got.passes(t, "kafka group hooksaga-engine", "nobody is in it")
	if err := cluster.CreateTopic("integration-stripe-events", 12, map[string]string{"min.insync.replicas": "2"}); err != nil {
		t.Fatal(err)
	}
	asked(t, check.Options{}, cluster.ListenAddrs(), env...).passes(t, topic, "12 partitions, 3 copies, 2 in sync needed")
}

func TestKafkaThatIsNot(t *testing.T) {
	t.Parallel()
	ca, pair := authority.For(t)
	others, _ := authority.For(t)
	encrypted := func(mutual bool) []string {
		server, err := ca.Server(mutual)
		if err != nil {
			t.Fatal(err)
		}
		return kafkatest.Fake(t, kfake.TLS(server))
	}
	overTLS, mutual, plain := encrypted(false), encrypted(true), kafkatest.Fake(t)
	asking := kafkatest.Fake(t, kfake.EnableSASL(), kfake.Superuser(bus.SCRAMSHA256, "shop", "dev-password"))
	silent := listening(t)
	for name, tt := range map[string]struct {
		brokers           []string
		env               []string
		what, found, next string
	}{
		"nobody listens": {[]string{"127.0.0.1:1"}, nil, "kafka 127.0.0.1:1", "connection refused", "HOOKSAGA_BUS"},
		"unknown name":   {[]string{"kafka.invalid:9092"}, nil, "kafka kafka.invalid:9092", "", "HOOKSAGA_BUS"},
		"no answer":      {silent, nil, "kafka " + silent[0], "", "HOOKSAGA"},
		"plain text to a port with TLS": {overTLS, nil, "kafka " + overTLS[0],
			"speaks TLS, and HOOKSAGA_KAFKA_TLS is not true", "HOOKSAGA_KAFKA_TLS=true"},
		"TLS to a port without":        {plain, []string{"HOOKSAGA_KAFKA_TLS=true"}, "kafka " + plain[0], "TLS", "HOOKSAGA_KAFKA_TLS=false"},
		"another authority":            {overTLS, []string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=" + others.File}, "kafka " + overTLS[0], "unknown authority", "HOOKSAGA_KAFKA_TLS_CA"},
		"the system's authorities":     {overTLS, []string{"HOOKSAGA_KAFKA_TLS=true"}, "kafka " + overTLS[0], "unknown authority", "HOOKSAGA_KAFKA_TLS_CA"},
		"another name":                 {overTLS, []string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=" + ca.File, "HOOKSAGA_KAFKA_TLS_SERVER_NAME=kafka.test"}, "kafka " + overTLS[0], "kafka.test", "HOOKSAGA_KAFKA_TLS_SERVER_NAME"},
		"no certificate of the client": {mutual, []string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=" + ca.File}, "kafka " + mutual[0], "certificate", "HOOKSAGA_KAFKA_TLS_CERT"},
		"wrong password":               {asking, names(bus.SCRAMSHA256, "shop", "dev-wrong"), "kafka " + asking[0], "refuses the name or the password (SCRAM-SHA-256 as shop)", "HOOKSAGA_KAFKA_PASSWORD"},
		"unknown user":                 {asking, names(bus.SCRAMSHA256, "nobody", "dev-password"), "kafka " + asking[0], "refuses the name or the password", "HOOKSAGA_KAFKA_USERNAME"},
		"no SASL where it is asked":    {asking, nil, "kafka " + asking[0], "", "HOOKSAGA_KAFKA_SASL"},
		"SASL where nobody asks":       {plain, names(bus.Plain, "shop", "dev-password"), "kafka " + plain[0], "", "HOOKSAGA_KAFKA_SASL"},
		"a setting that cannot be": {plain, []string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CERT=" + pair.CertFile}, "settings",
			"HOOKSAGA_KAFKA_TLS_KEY is not set", "name the certificate's key"},
		"too few brokers": {plain, []string{"HOOKSAGA_KAFKA_REPLICATION=3"}, topic, "3 copies on 1 brokers", "HOOKSAGA_KAFKA_REPLICATION"},
		"missing topic":   {plain, []string{"HOOKSAGA_KAFKA_TOPICS=verify"}, topic, "does not exist, and HOOKSAGA_KAFKA_TOPICS is verify", "create it with 12 partitions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := check.Options{}
			if name == "no answer" {
				o.Timeout = time.Second
			}
			asked(t, o, tt.brokers, tt.env...).fails(t, tt.what, tt.found, tt.next)
		})
	}
}

// listening takes connections and says nothing.
func listening(t *testing.T) []string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it has served
	return []string{l.Addr().String()}
}

func TestTopicsThatAreOtherwise(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t, kfake.NumBrokers(3))
	for name, settings := range map[string]map[string]string{
		"integration-stripe-events": {"min.insync.replicas": "4"}, "hooksaga.events": {"cleanup.policy": "compact"}, "payments.completed": {"min.insync.replicas": "1"},
	} {
		partitions := int32(12)
		if name == "hooksaga.events" {
			partitions = 5
		}
		if err := cluster.CreateTopic(name, partitions, settings); err != nil {
			t.Fatal(err)
		}
	}
	got := asked(t, check.Options{}, cluster.ListenAddrs())
	got.fails(t, topic, "nothing can be written", "min.insync.replicas")
	got.warns(t, "kafka topic hooksaga.events", "compacted")
	got.warns(t, "kafka topic payments.completed", "can be lost with one broker")
	asked(t, check.Options{}, cluster.ListenAddrs(), "HOOKSAGA_KAFKA_PARTITIONS=6").warns(t, "kafka topic payments.completed", "HOOKSAGA_KAFKA_PARTITIONS is 6")
}

// TestApacheKafkaIsExplained: what the real brokers say when they refuse, which a fake may say otherwise.
func TestApacheKafkaIsExplained(t *testing.T) {
	t.Parallel()
	c := kafkatest.Nodes(t)
	ca := c.Security().Authority
	others, _ := authority.For(t)
	sasl := c.SASLOverTLS()
	trusting := []string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=" + ca.File}
	with := func(more ...string) []string { return append(append([]string{}, trusting...), more...) }

	good := asked(t, check.Options{}, sasl, with(names(bus.SCRAMSHA512, "hooksaga", "dev-password")...)...)
	good.passes(t, "kafka "+sasl[0], "TLS TLS, SASL SCRAM-SHA-512 as hooksaga")
	good.passes(t, topic, "does not exist yet")
	good.passes(t, "kafka", "3 brokers")
	good.passes(t, "kafka group hooksaga-engine", "may be used")

	for name, tt := range map[string]struct {
		brokers           []string
		env               []string
		what, found, next string
	}{
		"wrong password":        {sasl, with(names(bus.SCRAMSHA256, "hooksaga", "dev-wrong")...), "kafka " + sasl[0], "refuses the name or the password", "HOOKSAGA_KAFKA_PASSWORD"},
		"wrong password, PLAIN": {sasl, with(names(bus.Plain, "hooksaga", "dev-wrong")...), "kafka " + sasl[0], "refuses the name or the password", "HOOKSAGA_KAFKA_PASSWORD"},
		"another authority": {sasl, append(names(bus.Plain, "hooksaga", "dev-password"), "HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA="+others.File),
			"kafka " + sasl[0], "unknown authority", "HOOKSAGA_KAFKA_TLS_CA"},
		"plain text to a port with TLS": {sasl, names(bus.Plain, "hooksaga", "dev-password"), "kafka " + sasl[0], "speaks TLS", "HOOKSAGA_KAFKA_TLS=true"},
		"TLS to a port without":         {c.Brokers(), with(), "kafka " + c.Brokers()[0], "TLS", "HOOKSAGA_KAFKA_TLS=false"},
		"no certificate of the client":  {c.MutualTLS(), with(), "kafka " + c.MutualTLS()[0], "certificate", "HOOKSAGA_KAFKA_TLS_CERT"},
		"no SASL where it is asked":     {c.SASLInTheClear(), nil, "kafka " + c.SASLInTheClear()[0], "", "HOOKSAGA_KAFKA_SASL"},
		"missing topic":                 {c.Brokers(), []string{"HOOKSAGA_KAFKA_TOPICS=verify"}, topic, "does not exist", "create it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked(t, check.Options{}, tt.brokers, tt.env...).fails(t, tt.what, tt.found, tt.next)
		})
	}
	t.Run("a user without rights", func(t *testing.T) {
		t.Parallel()
		stranger(t, c, sasl, with(names(bus.SCRAMSHA256, "stranger", "dev-password")...))
	})
}

// stranger is a user that may at first do nothing, and then see topics and no more.
func stranger(t *testing.T, c *kafkatest.Cluster, brokers, env []string) {
	t.Helper()
	const seen = "check-seen"
	route := append(env, "HOOKSAGA_KAFKA_ROUTES=stripe:*="+seen)
	admin := administrator(t, c.Brokers())
	if err := admin.CreateTopic(seen, &sarama.TopicDetail{NumPartitions: 12, ReplicationFactor: 3}, false); err != nil {
		t.Fatal(err)
	}
	got := asked(t, check.Options{}, brokers, route...)
	got.fails(t, "kafka group hooksaga-engine", "may not use it", "Read on the group")
	if err := admin.CreateACLs([]*sarama.ResourceAcls{{Resource: sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: seen, ResourcePatternType: sarama.AclPatternLiteral},
		Acls: []*sarama.Acl{{Principal: "User:stranger", Host: "*", Operation: sarama.AclOperationDescribe, PermissionType: sarama.AclPermissionAllow}}}}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C { // the rule reaches each broker by itself
		got = asked(t, check.Options{}, brokers, route...)
		if strings.Contains(got.String(), "may not read it nor write to it") || t.Context().Err() != nil {
			break
		}
	}
	got.fails(t, "kafka topic "+seen, "may not read it nor write to it", "grant this user Read and Write")
}

func administrator(t *testing.T, brokers []string) sarama.ClusterAdmin {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	admin, err := sarama.NewClusterAdmin(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() }) // it is done
	return admin
}
