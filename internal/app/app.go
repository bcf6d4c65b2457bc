package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// App is what a binary is made of, beside its configuration.
type App struct {
	Sagas     []saga.Definition
	Providers []ingest.Provider
	// Commands registers handlers beside the built-in ones.
	Commands []func(*commands.Router)
	Stdout   io.Writer
	Stderr   io.Writer
}

// logger logs as configured, to stderr.
func (a *App) logger(c config.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(a.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.Stderr, o))
}

// Version says what is running, as far as the build knows.
func Version() console.Version {
	v := console.Version{Version: "devel"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Built = s.Value
		}
	}
	return v
}

// build tells this binary from another: definitions of the same rules can differ in their code.
func build(ctx context.Context, log *slog.Logger) string {
	path, err := os.Executable()
	if err == nil {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			h := sha256.New()
			if _, err = io.Copy(h, f); err == nil {
				return hex.EncodeToString(h.Sum(nil)[:8])
			}
		}
	}
	log.WarnContext(ctx, "cannot read the program's own file: builds are told apart by version only", "error", err)
	v := Version()
	return v.Version + v.Commit
}
