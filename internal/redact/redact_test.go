package redact_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/redact"
)

func TestClientSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"none":            {`{"id":"pi_1", "x":1}`, `{"id":"pi_1", "x":1}`},
		"top":             {`{"client_secret":"pi_1_secret_a","id":"pi_1"}`, `{"client_secret":"[redacted]","id":"pi_1"}`},
		"nested, spaced":  {"{\"data\": {\"object\":\n{\"client_secret\" : \"s\" , \"z\":[1 , 2]}}}", "{\"data\": {\"object\":\n{\"client_secret\" : \"[redacted]\" , \"z\":[1 , 2]}}}"},
		"in arrays":       {`[{"client_secret":"a"},{"client_secret":"b"}]`, `[{"client_secret":"[redacted]"},{"client_secret":"[redacted]"}]`},
		"null stays":      {`{"client_secret":null}`, `{"client_secret":null}`},
		"number":          {`{"client_secret":12}`, `{"client_secret":"[redacted]"}`},
		"object":          {`{"client_secret":{"a":["}",{"b":"\"}"}]},"k":1}`, `{"client_secret":"[redacted]","k":1}`},
		"quote in value":  {`{"client_secret":"a\"b\\","k":"v"}`, `{"client_secret":"[redacted]","k":"v"}`},
		"longer name":     {`{"payment_intent_client_secret":"a"}`, `{"payment_intent_client_secret":"[redacted]"}`},
		"other name":      {`{"client_secret_kind":"a"}`, `{"client_secret_kind":"a"}`},
		"as a value":      {`{"name":"client_secret","k":"client_secret"}`, `{"name":"client_secret","k":"client_secret"}`},
		"escaped name":    {`{"client\u005fsecret":"a"}`, `{"client\u005fsecret":"[redacted]"}`},
		"in a URL":        {`{"url":"https://x.test/a?client_secret=src_client_secret_1&b=2"}`, `{"url":"https://x.test/a?client_secret=[redacted]&b=2"}`},
		"at a URL's end":  {`{"url":"https://x.test/a?b=2\u0026client_secret=s"}`, `{"url":"https://x.test/a?b=2\u0026client_secret=[redacted]"}`},
		"URL in a URL":    {`{"url":"https://x.test/a?u=b%3Fclient_secret%3Ds"}`, `{"url":"https://x.test/a?u=b%3Fclient_secret%3D[redacted]"}`},
		"JSON in a text":  {`{"raw":"{\"client_secret\":\"s\",\"k\":1}"}`, `{"raw":"{\"client_secret\":\"[redacted]\",\"k\":1}"}`},
		"cut off":         {`{"client_secret":"abc`, `{"client_secret":"[redacted]"`},
		"not JSON":        {`a=1&client_secret=s&b=2`, `a=1&client_secret=[redacted]&b=2`},
		"empty":           {``, ``},
		"duplicate names": {`{"client_secret":"a","client_secret":"b"}`, `{"client_secret":"[redacted]","client_secret":"[redacted]"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := []byte(c.in)
			if diff := cmp.Diff(c.want, string(redact.ClientSecrets(in))); diff != "" {
				t.Error(diff)
			}
			if string(in) != c.in {
				t.Error("the body was changed")
			}
		})
	}
}

// FuzzClientSecrets: valid JSON stays valid, no member's secret is left, and redacting again changes nothing more.
func FuzzClientSecrets(f *testing.F) {
	for _, seed := range []string{`{"client_secret":"hidden"}`, `[{"a":{"client_secret":["hidden"]}}]`, `{"client\u005fsecret":1,"x":"client_secret=hidden&"}`,
		`{"a":"\\","client_secret" :{"b":"]"}}`, `"client_secret`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := redact.ClientSecrets(body)
		if json.Valid(body) {
			if !json.Valid(got) {
				t.Fatalf("%q became %q", body, got)
			}
			var v any
			if json.Unmarshal(got, &v) == nil { // else a number is too large for Go
				noSecret(t, v)
			}
		}
		if again := redact.ClientSecrets(got); !bytes.Equal(again, got) {
			t.Errorf("%q, again %q", got, again)
		}
	})
}

func noSecret(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if strings.HasSuffix(name, "client_secret") && value != nil && value != redact.Mark {
				t.Errorf("%q is %v", name, value)
			}
			noSecret(t, value)
		}
	case []any:
		for _, value := range v {
			noSecret(t, value)
		}
	}
}
