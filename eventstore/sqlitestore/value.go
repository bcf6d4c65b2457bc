package sqlitestore

import (
	sqldriver "database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// moment is a time as a column holds it: microseconds since 1970, null for the zero time.
type moment struct{ time.Time }

// Value implements driver.Valuer of database/sql.
func (m moment) Value() (sqldriver.Value, error) {
	if m.IsZero() {
		return nil, nil
	}
	return m.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		m.Time = time.Time{}
	case int64:
		m.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("%w: a time of type %T", driver.ErrCorrupt, src)
	}
	return nil
}

// list is a list of strings as the argument of json_each.
func list(values []string) (string, error) {
	b, err := json.Marshal(values)
	return string(b), err
}

// maxText bounds what is stored as text, so that what SQLite takes is what other databases' indexes take too.
const maxText = 2048

// text refuses names that other databases would not take: not UTF-8, with a NUL, or too long for an index.
func text(what string, values ...string) error {
	for _, v := range values {
		if len(v) > maxText {
			return fmt.Errorf("%w: %s of %d bytes, at most %d", driver.ErrBadData, what, len(v), maxText)
		}
	}
	return plain(what, values...)
}

// plain refuses what is not text: not UTF-8, or with a NUL.
func plain(what string, values ...string) error {
	for _, v := range values {
		if strings.IndexByte(v, 0) >= 0 || !utf8.ValidString(v) {
			return fmt.Errorf("%w: %s %q is not text", driver.ErrBadData, what, v)
		}
	}
	return nil
}
