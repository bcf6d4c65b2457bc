package pgstore_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// spread is how many keys lie where those of the newest events do.
const spread = `with newest as materialized (select key from dedupe where position > $1)
	select count(*) from dedupe where key >= (select key from newest order by key limit 1)
		and key <= (select key from newest order by key desc limit 1)`

// What happens together lies together in the key that makes ids unique, however many ids it holds: so a commit changes
// pages that the one before it changed. Ids without any order show that the test can tell.
func testLocality(t *testing.T, s driver.Store, beside *sql.Conn) {
	const commits = 300
	const orders = large / 8
	for _, c := range []struct {
		name   string
		source string
		id     func(n int) string
		most   int
	}{
		{"ids of a provider", "orders", func(n int) string { return fmt.Sprintf("evt_%d_0", orders+n) }, 2 * commits},
		{"what derives from them", driver.Self, func(n int) string { return driver.DeriveID(fmt.Sprintf("evt_%d_0", orders+n), "saga") }, 4 * commits},
		{"ids in no order", driver.Self, func(n int) string { return driver.DeriveID("", "saga", fmt.Sprint(n)) }, 2 * large},
	} {
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n := range commits {
			e := driver.Event{Source: c.source, ID: c.id(n), Type: "order.placed", Stream: "orders/all", Body: []byte(`{}`)}
			committed(t, s, driver.Batch{Events: []driver.Append{{Event: e, Expect: driver.Any}}})
		}
		var among int
		if err := beside.QueryRowContext(t.Context(), spread, int64(head.Position)).Scan(&among); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-24s %d keys lie among %d", c.name, commits, among)
		if among > c.most {
			t.Errorf("%s: %d keys lie among %d, at most %d", c.name, commits, among, c.most)
		}
		if c.most > large && among < 10*commits {
			t.Errorf("%s: %d keys lie among %d: the test proves nothing", c.name, commits, among)
		}
	}
}
