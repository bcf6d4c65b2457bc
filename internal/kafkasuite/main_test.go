package kafkasuite_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// unique is a name that no other test uses.
func unique(what string) string { return what + "-" + strings.ToLower(rand.Text()[:10]) }
