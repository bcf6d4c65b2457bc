package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheGeneratedFileIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../types_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go generate ./ingest/stripehook (-want +got):\n%s", diff)
	}
}

func TestAPayloadThatTheSDKLacksIsAnError(t *testing.T) {
	t.Parallel()
	if got, err := payloadOf("gadget.created", map[string]bool{"Charge": true}); err == nil {
		t.Errorf("payloadOf gadget.created is %s, want an error", got)
	}
}
