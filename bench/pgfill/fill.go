// Package pgfill fills a Postgres store with a long past, for what has to be shown on a large one.
//
// The rows are those that years of the order story would have left: consistent head, streams and dedupe, so that the store
// goes on from there, with positions, versions and ids that hold. The server makes them itself; a client could not send so
// many so fast. It is not a way to import anything.
package pgfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Each is how many events one order leaves: Fill rounds to whole orders.
const Each = 8

// chunk is how many events are one transaction.
const chunk = 80_000

// Fill puts events into an empty, migrated store: one in eight is the start of an order, and 10 orders share a customer.
// Beside them are the rows of the orders' sagas and commands. 99 in 100 orders are done. It fails on a store that has
// events, and leaves the statistics fresh.
//
// Queries meet the worst: charge.dispute.created is one order in 1,000, and in the older half only there are the provider
// bank, with one event in 500, customer.subscription.updated and the provider legacy, each with one event in 16.
func Fill(ctx context.Context, db *sql.DB, events int) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("pgfill: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	orders := events / Each
	for _, statement := range []string{prepareSession, refuseUsed, dropIndexes} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("pgfill: %w", err)
		}
	}
	if err := partitions(ctx, conn, orders*Each); err != nil {
		return err
	}
	customers := max(1, orders/10)
	for from := 0; from < orders; from += chunk / Each {
		until := min(orders, from+chunk/Each)
		for _, statement := range []string{insertEvents, insertSagas} {
			if _, err := conn.ExecContext(ctx, fmt.Sprintf(statement, from, until-1, orders, customers)); err != nil {
				return fmt.Errorf("pgfill: orders %d to %d: %w", from, until, err)
			}
		}
	}
	for _, statement := range []string{insertStreams, makeIndexes, moveHead, vacuum, restoreSession} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("pgfill: %w", err)
		}
	}
	return nil
}

// partitions makes room for n events.
func partitions(ctx context.Context, conn *sql.Conn, n int) error {
	for query := selectRoom; ; query = addPartition {
		var below int
		if err := conn.QueryRowContext(ctx, query).Scan(&below); err != nil {
			return fmt.Errorf("pgfill: add a partition: %w", err)
		}
		if below > n {
			return nil
		}
	}
}
