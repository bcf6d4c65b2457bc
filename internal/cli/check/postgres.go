package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/internal/config"
)

const (
	selectServer = `select current_setting('server_version'), current_setting('server_version_num')::int, current_user, pg_is_in_recovery(),
		coalesce(current_schema(), ''), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
		coalesce(has_schema_privilege(current_schema(), 'USAGE'), false), current_setting('fsync'), current_setting('full_page_writes'),
		coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)`

	// What a running hooksaga needs, as hooksaga_grant gives it.
	selectLacking = `select n.relation || ': ' || string_agg(n.privilege, ', ' order by n.privilege)
		from (values ('events', 'SELECT'), ('events', 'INSERT'), ('dedupe', 'SELECT'), ('dedupe', 'INSERT'), ('head', 'SELECT'), ('head', 'UPDATE'),
			('streams', 'SELECT'), ('streams', 'INSERT'), ('streams', 'UPDATE'), ('sagas', 'SELECT'), ('sagas', 'INSERT'), ('sagas', 'UPDATE'),
			('definitions', 'SELECT'), ('definitions', 'INSERT'), ('definitions', 'UPDATE'), ('leases', 'SELECT'), ('leases', 'INSERT'), ('leases', 'UPDATE'),
			('instances', 'SELECT'), ('instances', 'INSERT'), ('instances', 'UPDATE'), ('commands', 'SELECT'), ('commands', 'INSERT'), ('commands', 'UPDATE'),
			('askers', 'SELECT'), ('askers', 'INSERT'), ('askers', 'UPDATE'),
			('queue', 'SELECT'), ('queue', 'INSERT'), ('queue', 'UPDATE'), ('queue', 'DELETE'),
			('timers', 'SELECT'), ('timers', 'INSERT'), ('timers', 'UPDATE'), ('timers', 'DELETE')) as n(relation, privilege)
		where to_regclass(n.relation) is not null and not has_table_privilege(to_regclass(n.relation)::oid, n.privilege)
		group by n.relation order by n.relation`

	selectTooMuch = `select exists(select from (values ('UPDATE'), ('DELETE'), ('TRUNCATE')) as n(privilege)
		where to_regclass('events') is not null and has_table_privilege(to_regclass('events')::oid, n.privilege))`

	minPostgres = 140000 // lz4
)

// server is what Postgres says of itself and of who asks.
type server struct {
	version, role, schema, fsync, fullPages string
	number                                  int
	standby, create, usage, tls             bool
}

func (k *checker) postgres(ctx context.Context) {
	const what = "store"
	db, err := k.dial(ctx)
	if err != nil {
		k.refused(what, err)
		return
	}
	defer db.Close()
	var s server
	if err := db.QueryRowContext(ctx, selectServer).Scan(&s.version, &s.number, &s.role, &s.standby, &s.schema, &s.create, &s.usage, &s.fsync, &s.fullPages, &s.tls); err != nil {
		k.refused(what, err)
		return
	}
	switch {
	case s.number < minPostgres:
		k.fail(what, "use Postgres 14 or newer", "Postgres %s is too old", s.version)
		return
	case s.standby:
		k.fail(what, "name the primary in HOOKSAGA_STORE; with several hosts, target_session_attrs=read-write finds it", "%s is a standby: nothing can be written", k.config.Store)
		return
	case s.schema == "":
		k.fail(what, "run `hooksaga migrate up` as a role that may create schemas, or check search_path", "no schema of search_path exists, or %s may not use it", s.role)
		return
	}
	k.durable(s)
	if k.schema(ctx, what, s) {
		k.privileges(ctx, db, what, s)
	}
}

// dial connects once, and does not wait for longer than it was told to.
func (k *checker) dial(ctx context.Context) (*sql.DB, error) {
	cfg, err := pq.NewConfig(k.config.Store.DSN.Reveal())
	if err != nil {
		return nil, errors.New("the URL cannot be read") // its error may show the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = k.Timeout
	}
	c, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// refused explains why a connection was not made, by SQLSTATE (Postgres documentation, appendix A) where the server said it.
func (k *checker) refused(what string, err error) {
	at := k.config.Store.String()
	if why := unreachable(err); why != "" {
		k.fail(what, "check the host and the port of HOOKSAGA_STORE, and that Postgres listens there", "%s does not answer: %s", at, why)
		return
	}
	if errors.Is(err, pq.ErrSSLNotSupported) {
		k.fail(what, "add sslmode=disable to the URL of HOOKSAGA_STORE if the way there is safe, or enable TLS on the server", "%s does not speak TLS", at)
		return
	}
	pe, ok := errors.AsType[*pq.Error](err)
	if !ok {
		k.fail(what, "check HOOKSAGA_STORE", "%s: %v", at, err)
		return
	}
	next := "check HOOKSAGA_STORE"
	switch pe.Code {
	case "28P01", "28000":
		next = "check user and password of HOOKSAGA_STORE, and the server's pg_hba.conf"
	case "3D000":
		next = "create the database, or name another in HOOKSAGA_STORE"
	case "53300":
		next = "raise the server's max_connections, or use fewer processes"
	case "42501":
		next = "run hooksaga_grant for this role, as the owner of the schema"
	}
	k.fail(what, next, "%s refuses: %s (%s)", at, pe.Message, pe.Code)
}

// durable warns of a server that may lose what it has acknowledged.
func (k *checker) durable(s server) {
	status := Warn
	if k.config.Env == config.Production {
		status = Fail
	}
	for name, value := range map[string]string{"fsync": s.fsync, "full_page_writes": s.fullPages} {
		if value == "off" {
			k.add(status, "store settings", "set "+name+"=on in postgresql.conf", "%s is off: a crash of the server loses acknowledged events", name)
		}
	}
	if !s.tls && k.config.Env == config.Production {
		k.add(Warn, "store settings", "use sslmode=verify-full, unless the way to the server is safe", "the connection is not encrypted")
	}
}

// schema reports whether there is one that can be used, after saying so if not.
func (k *checker) schema(ctx context.Context, what string, s server) bool {
	all, err := pgstore.MigrationStatus(ctx, k.config.Store.DSN.Reveal())
	if err != nil {
		if pe, ok := errors.AsType[*pq.Error](err); ok && pe.Code == "42501" {
			k.fail("store privileges", grantHint(s.role), "%s may not read which migrations are applied", s.role)
			return false
		}
		k.fail(what, "run `hooksaga migrate status`", "the schema's version cannot be read: %v", err)
		return false
	}
	pending := 0
	for _, m := range all {
		if m.Applied.IsZero() {
			pending++
		}
	}
	if !k.migrated(what, len(all), pending, s.create) {
		return false
	}
	k.ok(what, "Postgres %s, schema %s at version %d of %d", strings.Fields(s.version)[0], s.schema, len(all), len(all))
	return true
}

func (k *checker) privileges(ctx context.Context, db *sql.DB, what string, s server) {
	what += " privileges"
	rows, err := db.QueryContext(ctx, selectLacking)
	if err != nil {
		k.refused(what, err)
		return
	}
	defer rows.Close()
	var lacking []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			k.refused(what, err)
			return
		}
		lacking = append(lacking, one)
	}
	if err := rows.Err(); err != nil {
		k.refused(what, err)
		return
	}
	if len(lacking) > 0 {
		k.fail(what, grantHint(s.role), "%s lacks %s", s.role, strings.Join(lacking, "; "))
		return
	}
	var tooMuch bool
	if err := db.QueryRowContext(ctx, selectTooMuch).Scan(&tooMuch); err != nil {
		k.refused(what, err)
		return
	}
	if tooMuch && k.config.Env == config.Production {
		k.add(Warn, what, "let serve use a role that does not own the tables: "+grantHint("ROLE"), "%s may change and remove events", s.role)
		return
	}
	k.ok(what, "%s has what serve needs", s.role)
}

func grantHint(role string) string {
	return fmt.Sprintf("as the owner of the schema: select hooksaga_grant('%s')", role)
}
