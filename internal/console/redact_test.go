package console_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/internal/console"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"b":1,"a":[true,false,null,"x"],"b":1e400}`:          `{"b":1,"a":[true,false,null,"x"],"b":1e400}`,
		`{"client_secret":"s"}`:                                `{"client_secret":"[redacted]"}`,
		`{"client_\u0073ecret":{"deep":["s"]}}`:                `{"client_\u0073ecret":"[redacted]"}`,
		`{"Client_Secret":"s","client_secret":"t"}`:            `{"Client_Secret":"[redacted]","client_secret":"[redacted]"}`,
		`{"client_secret":null}`:                               `{"client_secret":null}`,
		`[[{"x":[{"client_secret":1}]}]]`:                      `[[{"x":[{"client_secret":"[redacted]"}]}]]`,
		`"pi_3Nabc_secret_Zx9"`:                                `"pi_3Nabc_secret_[redacted]"`,
		`"cs_test_a1B2_secret_q"`:                              `"cs_test_a1B2_secret_[redacted]"`,
		`{"text":"{\"client_secret\":\"s\",\"n\":1}"}`:         `{"text":"{\"client_secret\":\"[redacted]\",\"n\":1}"}`,
		`{"text":"client_secret=s&amount=1"}`:                  `{"text":"client_secret=[redacted]&amount=1"}`,
		`{"html":"<a & b>","n":12345678901234567890,"f":1.10}`: `{"html":"<a & b>","n":12345678901234567890,"f":1.10}`,
		`{}`:               `{}`,
		`[]`:               `[]`,
		`{"client_secret"`: `null`,
		``:                 `null`,
	} {
		if got := string(console.Redact([]byte(in))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"a":[{"client_secret":"hush"}]}`))
	f.Add([]byte(`"client_secret"`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := console.Redact(in)
		if !json.Valid(out) {
			t.Fatalf("%q became %q", in, out)
		}
		if again := console.Redact(out); json.Valid(in) && string(again) != string(out) {
			t.Fatalf("%q became %q, then %q", in, out, again)
		}
		if json.Valid(in) && strings.Contains(string(out), `"client_secret":"h`) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
