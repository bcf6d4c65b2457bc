// Command hooksaga is what a main of your own looks like, with the built-in sagas.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/sagas"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := hooksaga.Run(ctx, hooksaga.Sagas(sagas.All()...))
	stop()
	os.Exit(hooksaga.Report(os.Stderr, err))
}
