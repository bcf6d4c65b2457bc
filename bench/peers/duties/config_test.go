package duties

import (
	"strings"
	"testing"
	"time"
)

func TestFromEnvironment(t *testing.T) {
	for _, name := range []string{"PEER_LISTEN", "PEER_DATABASE", "STRIPE_API_BASE", "STRIPE_KEY", "STRIPE_WEBHOOK_SECRET"} {
		t.Setenv(name, "x")
	}
	t.Setenv("ORDERS_WEBHOOK_SECRET", "")
	t.Setenv("PEER_WORKERS", "many")
	_, err := FromEnvironment()
	if err == nil || !strings.Contains(err.Error(), "ORDERS_WEBHOOK_SECRET is not set") || !strings.Contains(err.Error(), "PEER_WORKERS: ") {
		t.Errorf("got %v, want everything that is wrong", err)
	}
	t.Setenv("ORDERS_WEBHOOK_SECRET", "x")
	t.Setenv("PEER_WORKERS", "7")
	t.Setenv("PEER_LOOK", "20ms")
	t.Setenv("PEER_DEFAULTS", "1")
	c, err := FromEnvironment()
	if err != nil || c.Workers != 7 || c.Look != 20*time.Millisecond || !c.Defaults {
		t.Errorf("got %+v, %v", c, err)
	}
}
