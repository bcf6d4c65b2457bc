package loopback_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/hooksaga/hooksaga/internal/loopback"
)

func TestEachServerAnswersUntilClose(t *testing.T) {
	t.Parallel()
	var servers loopback.Servers
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(address string) (string, error) {
		res, err := client.Get("http://" + address)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	addresses := map[string]string{}
	for _, name := range []string{"stripe", "shop"} {
		address, err := servers.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		if err != nil {
			t.Fatal(err)
		}
		addresses[name] = address
	}
	for name, address := range addresses {
		if got, err := ask(address); got != name || err != nil {
			t.Errorf("%s answers %q (%v)", name, got, err)
		}
	}
	if err := servers.Close(); err != nil {
		t.Error(err)
	}
	for name, address := range addresses {
		if got, err := ask(address); err == nil {
			t.Errorf("%s answers %q after Close", name, got)
		}
	}
}
