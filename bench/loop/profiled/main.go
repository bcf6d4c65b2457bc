// Command profiled is cmd/hooksaga with a CPU profile: the product serves no profiles, and is not measured with this.
//
// SIGUSR1 begins the profile, SIGUSR2 ends it and writes it with what was allocated since the start, to the directory
// that LOOP_PROFILE names: cpu.pprof and allocs.pprof.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/sagas"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go profile(ctx, os.Getenv("LOOP_PROFILE"))
	err := hooksaga.Run(ctx, hooksaga.Sagas(sagas.All()...))
	stop()
	os.Exit(hooksaga.Report(os.Stderr, err))
}

func profile(ctx context.Context, dir string) {
	begin, end := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	signal.Notify(end, syscall.SIGUSR2)
	select {
	case <-begin:
	case <-ctx.Done():
		return
	}
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof.part"))
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return
	}
	select {
	case <-end:
	case <-ctx.Done():
	}
	pprof.StopCPUProfile()
	if err := finish(cpu, dir); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
	}
}

// finish writes what is missing. The CPU profile gets its name last: whoever waits for it finds both whole.
func finish(cpu *os.File, dir string) error {
	if err := cpu.Close(); err != nil {
		return err
	}
	allocs, err := os.Create(filepath.Join(dir, "allocs.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.Lookup("allocs").WriteTo(allocs, 0); err != nil {
		return err
	}
	if err := allocs.Close(); err != nil {
		return err
	}
	return os.Rename(cpu.Name(), filepath.Join(dir, "cpu.pprof"))
}
