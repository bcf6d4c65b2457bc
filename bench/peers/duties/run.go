package duties

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Run is what a peer's main does: it runs the peer, configured by the environment, until SIGINT or SIGTERM ends its
// context, and returns the exit code. What is wrong is said on standard error, where warnings go as well.
func Run(ctx context.Context, name string, peer func(context.Context, Config, *slog.Logger) error) (code int) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := FromEnvironment()
	if err == nil {
		err = peer(ctx, config, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1
	}
	return 0
}

// Connect opens a pool of connections to Postgres and makes the shop's tables.
func Connect(ctx context.Context, c Config, connections int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.Database)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, Schema); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}
