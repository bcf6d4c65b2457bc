package pgstore

import (
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const migrateHint = "run `hooksaga migrate up`"

// SQLSTATE codes that are told apart; Postgres documentation, appendix A.
const (
	codeReadOnly       = "25006" // read_only_sql_transaction: the server is a standby now
	codeSerialization  = "40001"
	codeDeadlock       = "40P01"
	codeLockTimeout    = "55P03" // lock_not_available
	codeForbidden      = "42501" // insufficient_privilege
	codeNoTable        = "42P01"
	codeNoColumn       = "42703"
	codeNoFunction     = "42883"
	codeDataCorrupted  = "XX001"
	codeIndexCorrupted = "XX002"
)

// wrap maps an error of lib/pq or database/sql to one of driver's, which it wraps together with the cause.
//
// The server refuses a value by classes 22 (data exception), 23 (integrity: the rows of one call were not disjoint),
// 54 (program limit) and 21 (cardinality). What it has not said is unknown: a lost connection, a timeout, a shutdown.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, driver.ErrNotOwner) {
		return fmt.Errorf("pgstore: %s: %w", doing, err)
	}
	kind, hint := driver.ErrUnavailable, ""
	var pe *pq.Error
	if errors.As(err, &pe) {
		switch pe.Code.Class() {
		case "21", "22", "23", "54":
			kind = driver.ErrBadData
		}
		switch pe.Code {
		case codeNoTable, codeNoColumn, codeNoFunction:
			kind, hint = driver.ErrCorrupt, " ("+migrateHint+")"
		case codeForbidden:
			hint = " (`select hooksaga_grant('role')`, run by the owner of the tables, gives a role what it needs)"
		case codeDataCorrupted, codeIndexCorrupted:
			kind = driver.ErrCorrupt
		}
	}
	return fmt.Errorf("pgstore: %s: %w: %w%s", doing, kind, err, hint)
}

// again reports an error by which the server says that it has rolled the statement back, and that it may do next time.
func again(err error) bool { return isCode(err, codeSerialization, codeDeadlock) }

func isCode(err error, codes ...pq.ErrorCode) bool {
	var pe *pq.Error
	if !errors.As(err, &pe) {
		return false
	}
	for _, c := range codes {
		if pe.Code == c {
			return true
		}
	}
	return false
}
