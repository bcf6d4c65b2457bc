package ingest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/standardhook"
)

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	standard, err := standardhook.New(standardhook.Options{Name: "svix"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ingest.NewRegistry(
		ingest.Registration{},
		ingest.Registration{Provider: scripted{name: "Bank"}},
		ingest.Registration{Provider: scripted{name: "saga"}},
		ingest.Registration{Provider: scripted{name: "none"}},
		ingest.Registration{Provider: scripted{name: "empty"}, Secrets: ingest.Fixed()},
		ingest.Registration{Provider: scripted{name: "weak"}, Secrets: ingest.Fixed(ingest.NewSecrets("", "hunter2", "hunter22\n", "long enough")...)},
		ingest.Registration{Provider: scripted{name: "twice"}, Secrets: ingest.Fixed(ingest.NewSecrets(secret)...)},
		ingest.Registration{Provider: scripted{name: "twice"}, Secrets: ingest.Fixed(ingest.NewSecrets(secret)...)},
		ingest.Registration{Provider: scripted{name: "paths"}, Secrets: ingest.Fixed(ingest.NewSecrets(secret)...), Aliases: []string{"x", "/a/../b", "/webhooks/twice/"}},
		ingest.Registration{Provider: standard, Secrets: ingest.Fixed(ingest.NewSecrets("whsec_not base64")...)},
	)
	var got []string
	for line := range strings.Lines(err.Error()) {
		got = append(got, strings.TrimSpace(strings.ReplaceAll(line, ": Bad configuration", "")))
	}
	want := []string{
		"ingest/bad-config: registration 1 has no provider",
		`ingest/bad-config: "Bank" cannot name a provider`,
		`ingest/bad-config: "saga" cannot name a provider`,
		"none/bad-config: there is no secret",
		"empty/bad-config: there is no secret",
		"weak/bad-config: secret 1 of 4 is empty",
		"weak/bad-config: secret 2 of 4 has 7 bytes, at least 8 are needed",
		"weak/bad-config: secret 3 of 4 begins or ends with white space",
		"twice/bad-config: path /webhooks/twice belongs to twice already",
		"twice/bad-config: path /api/webhooks/twice belongs to twice already",
		`paths/bad-config: "x" cannot be a path`,
		`paths/bad-config: "/a/../b" cannot be a path`,
		"paths/bad-config: path /webhooks/twice belongs to twice already",
		"svix/bad-config: secret 1 of 1 standardhook: secret is not whsec_ and the base64 of at least 16 bytes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e, ok := errors.AsType[*ingest.Error](err); !ok || e.Code != "ingest/bad-config" {
		t.Errorf("%v is no *Error", err)
	}
}

func TestAnAliasReachesItsProvider(t *testing.T) {
	t.Parallel()
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: scripted{name: "bank"}, Secrets: ingest.Fixed(ingest.NewSecrets(secret)...), Aliases: []string{"/hooks/Bank_v1.0/"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/api/webhooks/bank", "/api/webhooks/bank/", "/hooks/Bank_v1.0", "/hooks/Bank_v1.0/", "/webhooks/bank", "/webhooks/bank/"}
	if diff := cmp.Diff(want, reg.Paths()); diff != "" {
		t.Error(diff)
	}
}

// A rotation that goes wrong must not let an empty key verify, nor lose the delivery.
func TestNoUsableSecretIsNotTheSendersFault(t *testing.T) {
	t.Parallel()
	secrets := ingest.NewSecrets(secret)
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: scripted{name: "bank"}, Secrets: func() []ingest.Secret { return secrets }})
	if err != nil {
		t.Fatal(err)
	}
	secrets = ingest.NewSecrets("", "short")
	srv := newServer(t, ingest.NewHandler(&ingesttest.Log{}, reg, ingest.Options{}))
	if status, answer := ingesttest.Post(t, srv+"/webhooks/bank", password("short"), []byte("x")); status != 503 || !strings.Contains(answer, "bank/bad-config") {
		t.Errorf("answered %d %s", status, answer)
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	t.Parallel()
	s := ingest.NewSecrets("whsec_dev_canary")[0]
	var logs lines
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "s", s, "in", struct{ S ingest.Secret }{s})
	slog.New(slog.NewTextHandler(&logs, nil)).Info("x", "s", s, "in", struct{ S ingest.Secret }{s})
	shown := logs.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%T", "%p", "%w"} {
		shown += fmt.Errorf(verb, s).Error() + fmt.Sprintf(verb, struct{ S ingest.Secret }{s}) + fmt.Sprintf(verb, []ingest.Secret{s})
	}
	b, err := json.Marshal(map[string]any{"s": s, "in": []ingest.Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	shown += string(b)
	if strings.Contains(shown, "canary") || strings.Contains(strings.ToLower(shown), fmt.Sprintf("%x", "canary")) {
		t.Errorf("shown: %s", shown)
	}
	if s.Reveal() != "whsec_dev_canary" || !strings.Contains(shown, s.Fingerprint()) {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}
