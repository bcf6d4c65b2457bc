package hmachook_test

import (
	"fmt"
	"net/http"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
)

// Example makes a provider for a sender that writes sha256=… into a header of its own; the values are GitHub's example.
func Example() {
	provider, err := hmachook.New(hmachook.Config{Name: "github", Header: "X-Hub-Signature-256", Prefix: "sha256="})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := ingest.Request{
		Body:    []byte("Hello, World!"),
		Header:  http.Header{"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
		Secrets: ingest.NewSecrets("It's a Secret to Everybody"),
	}
	_, err = provider.Verify(request)
	fmt.Println(err)
	request.Body = []byte("Hello, Mallory!")
	_, err = provider.Verify(request)
	fmt.Println(err)
	// Output:
	// <nil>
	// bad signature (signature_invalid)
}
