package chargeapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
)

// full is a store on a full disk: it can be read, and what is written fails.
type full struct {
	driver.Store
	commits atomic.Int32
}

func (f *full) Commit(context.Context, []driver.Batch) ([]driver.Verdict, error) {
	f.commits.Add(1)
	return nil, driver.ErrUnavailable
}

// A store that fails is not asked again and again on behalf of one request, and the log says what is wrong with it.
func TestAFullDiskIsToldAsSuch(t *testing.T) {
	t.Parallel()
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	disk := &full{Store: db}
	store := eventstore.New(disk, eventstore.Options{})
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	var log bytes.Buffer
	s := &shop{t: t, store: store, handler: chargeapi.New(store, &commands.Router{}, nil, chargeapi.Config{Token: token}, slog.New(slog.NewTextHandler(&log, nil)))}
	if a := s.post(body("pm_card_visa")); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	if n := disk.commits.Load(); n != 2 {
		t.Errorf("%d commits", n)
	}
	if !strings.Contains(log.String(), driver.ErrUnavailable.Error()) {
		t.Errorf("the log says %s", &log)
	}
}
