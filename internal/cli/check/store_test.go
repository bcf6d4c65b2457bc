package check_test

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq" // the name postgres for database/sql

	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/cli/check"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "hooksaga.db")
	if err := sqlitestore.Migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	looked(t, check.Options{}, "HOOKSAGA_STORE=sqlite:"+file).passes(t, "store", "last position 0")
	looked(t, check.Options{}, "HOOKSAGA_STORE=sqlite:"+filepath.Join(dir, "new.db")).passes(t, "store", "does not exist yet")
	looked(t, check.Options{}, "HOOKSAGA_STORE=sqlite:"+empty).passes(t, "store", "serve brings it up to date")
	for name, tt := range map[string]struct {
		env         []string
		found, next string
	}{
		"junk":           {[]string{"HOOKSAGA_STORE=sqlite:" + junk}, "is not a store", "HOOKSAGA_STORE"},
		"no directory":   {[]string{"HOOKSAGA_STORE=sqlite:/nonexistent/hooksaga.db"}, "nothing can be made", "make the directory"},
		"a directory":    {[]string{"HOOKSAGA_STORE=sqlite:" + dir}, "cannot be written", "right to write"},
		"not to be made": {[]string{"HOOKSAGA_STORE=sqlite:" + filepath.Join(dir, "new.db"), "HOOKSAGA_MIGRATE=false"}, "HOOKSAGA_MIGRATE is false", "migrate up"},
		"not migrated":   {[]string{"HOOKSAGA_STORE=sqlite:" + empty, "HOOKSAGA_MIGRATE=false"}, "version 0 of", "migrate up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looked(t, check.Options{}, tt.env...).fails(t, "store", tt.found, tt.next)
		})
	}
}

func TestPostgresThatIsAsItShouldBe(t *testing.T) {
	t.Parallel()
	at := pgtest.New(t)
	looked(t, check.Options{}, "HOOKSAGA_STORE="+at).passes(t, "store", "serve brings it up to date")
	if err := pgstore.Migrate(t.Context(), at, nil); err != nil {
		t.Fatal(err)
	}
	got := looked(t, check.Options{}, "HOOKSAGA_STORE="+at)
	got.passes(t, "store", "Postgres ")
	got.passes(t, "store privileges", "has what serve needs")

	role, as := user(t, at)
	statement(t, at, `select hooksaga_grant($1)`, role)
	looked(t, check.Options{}, "HOOKSAGA_STORE="+as).passes(t, "store privileges", role+" has what serve needs")
}

func TestPostgresThatIsNot(t *testing.T) {
	t.Parallel()
	migrated, bare := pgtest.New(t), pgtest.New(t)
	if err := pgstore.Migrate(t.Context(), migrated, nil); err != nil {
		t.Fatal(err)
	}
	role, as := user(t, migrated)
	partly, asPartly := user(t, migrated)
	statement(t, migrated, `select hooksaga_grant($1)`, partly)
	statement(t, migrated, `revoke insert on events from `+partly)
	statement(t, migrated, `revoke update on head from `+partly)
	_, bareUser := user(t, bare)
	for name, tt := range map[string]struct {
		store             string
		env               []string
		what, found, next string
	}{
		"nobody listens":    {"postgres://hooksaga:dev-password@127.0.0.1:1/hooksaga?sslmode=disable", nil, "store", "connection refused", "check the host and the port"},
		"unknown host":      {"postgres://hooksaga:dev-password@postgres.invalid/hooksaga?sslmode=disable", nil, "store", "does not answer", "check the host"},
		"no such user":      {changed(t, migrated, func(u *url.URL) { u.User = url.UserPassword("nobody_"+role, "dev-wrong") }), nil, "store", "refuses", "check user and password"},
		"no such database":  {changed(t, migrated, func(u *url.URL) { u.Path = "/nowhere" }), nil, "store", "3D000", "create the database"},
		"no TLS there":      {changed(t, migrated, func(u *url.URL) { u.RawQuery = "sslmode=require" }), nil, "store", "does not speak TLS", "sslmode=disable"},
		"no schema":         {changed(t, migrated, func(u *url.URL) { u.RawQuery = "sslmode=disable&search_path=elsewhere" }), nil, "store", "no schema of search_path", "migrate up"},
		"not migrated":      {bare, []string{"HOOKSAGA_MIGRATE=false"}, "store", "version 0 of", "migrate up"},
		"may not migrate":   {bareUser, nil, "store", "may not change it", "as the owner"},
		"no rights":         {as, nil, "store privileges", role, "hooksaga_grant('" + role + "')"},
		"some rights":       {asPartly, nil, "store privileges", "events: INSERT; head: UPDATE", "hooksaga_grant('" + partly + "')"},
		"live key in store": {migrated, []string{"STRIPE_KEY=sk_live_abc"}, "settings", "is a live key, and the mode is test", "HOOKSAGA_MODE=live"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looked(t, check.Options{}, append([]string{"HOOKSAGA_STORE=" + tt.store}, tt.env...)...).fails(t, tt.what, tt.found, tt.next)
		})
	}
}

// TestWrongPassword: the throwaway server trusts everybody on this machine, so this one is played: it says what Postgres says.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	at := refusing(t)
	looked(t, check.Options{}, "HOOKSAGA_STORE=postgres://hooksaga:dev-wrong@"+at+"/hooksaga?sslmode=disable").
		fails(t, "store", "password authentication failed for user \"hooksaga\" (28P01)", "check user and password")
}

// user makes a role that may do nothing, and returns the URL to connect as it.
func user(t *testing.T, at string) (role, as string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	role = "check_" + strings.TrimPrefix(u.Path, "/hooksaga_test_")[:8] + "_" + strings.ReplaceAll(time.Now().Format("150405.000000"), ".", "")
	statement(t, at, `create role `+role+` login password 'dev-password'`)
	t.Cleanup(func() {
		statement(t, at, `drop owned by `+role)
		statement(t, at, `drop role `+role)
	})
	return role, changed(t, at, func(u *url.URL) { u.User = url.UserPassword(role, "dev-password") })
}

func changed(t *testing.T, at string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func statement(t *testing.T, at, text string, args ...any) {
	t.Helper()
	db, err := sql.Open("postgres", at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text, args...); err != nil {
		t.Fatal(err)
	}
}
