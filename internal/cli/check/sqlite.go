package check

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/config"
)

func (k *checker) store(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 4*k.Timeout)
	defer cancel()
	switch k.config.Store.Kind {
	case config.SQLite:
		k.sqlite(ctx, k.config.Store.File)
	case config.Postgres:
		k.postgres(ctx)
	}
}

func (k *checker) sqlite(ctx context.Context, file string) {
	const what = "store"
	switch f, err := os.OpenFile(file, os.O_RDWR, 0); {
	case errors.Is(err, fs.ErrNotExist):
		k.absent(what, file)
		return
	case err != nil:
		k.fail(what, "give this user the right to write it, and its directory", "%s cannot be written: %s", file, reason(err))
		return
	default:
		_ = f.Close() // nothing was written
	}
	all, err := sqlitestore.MigrationStatus(ctx, file)
	if err != nil {
		k.fail(what, "name another file with HOOKSAGA_STORE=sqlite:FILE", "%s is not a store: %v", file, err)
		return
	}
	pending := 0
	for _, m := range all {
		if m.Applied.IsZero() {
			pending++
		}
	}
	if !k.migrated(what, len(all), pending, true) {
		return
	}
	d, err := sqlitestore.Open(ctx, file, &sqlitestore.Options{ReadOnly: true})
	if err != nil {
		k.fail(what, "`hooksaga migrate status` says what is missing", "%s cannot be opened: %v", file, err)
		return
	}
	s := eventstore.New(d, eventstore.Options{})
	defer s.Close()
	head, err := s.Head(ctx)
	if err != nil {
		k.fail(what, "restore it from a backup if it is damaged", "%s cannot be read: %v", file, err)
		return
	}
	k.ok(what, "SQLite %s, schema %d of %d, last position %d", file, len(all), len(all), head.Position)
}

// absent is a file that serve would make.
func (k *checker) absent(what, file string) {
	dir := filepath.Dir(file)
	probe, err := os.CreateTemp(dir, ".hooksaga-check-")
	if err != nil {
		k.fail(what, "make the directory, and let this user write there", "%s does not exist, and nothing can be made in %s: %s", file, dir, reason(err))
		return
	}
	_ = probe.Close() // empty
	if err := os.Remove(probe.Name()); err != nil {
		k.fail(what, "remove it by hand", "%s was left behind: %s", probe.Name(), reason(err))
		return
	}
	if !k.config.Migrate {
		k.fail(what, "run `hooksaga migrate up`", "%s does not exist, and HOOKSAGA_MIGRATE is false", file)
		return
	}
	k.ok(what, "SQLite %s does not exist yet; serve makes it", file)
}

// migrated reports whether a store's schema can be used, after saying so if not.
func (k *checker) migrated(what string, all, pending int, mayCreate bool) bool {
	switch {
	case pending == 0:
		return true
	case !k.config.Migrate:
		k.fail(what, "run `hooksaga migrate up`", "the schema is at version %d of %d, and HOOKSAGA_MIGRATE is false", all-pending, all)
	case !mayCreate:
		k.fail(what, "run `hooksaga migrate up` as the owner of the schema", "the schema is at version %d of %d, and this role may not change it", all-pending, all)
	default:
		k.ok(what, "the schema is at version %d of %d; serve brings it up to date", all-pending, all)
	}
	return false
}

// reason is why a file could not be used, without its path.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
