package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	"github.com/lib/pq"
)

// CreateDatabase makes an empty database beside the one that the URL base names, and returns its URL. template0 is as
// Postgres was delivered: a test starts from nothing, whatever the server's owner has put into template1.
func CreateDatabase(ctx context.Context, base, name string) (string, error) {
	if err := execute(ctx, base, `create database `+pq.QuoteIdentifier(name)+` template template0 encoding 'UTF8'`); err != nil {
		return "", fmt.Errorf("create test database: %w", err)
	}
	return databaseURL(base, name)
}

// DropDatabase ends whatever still uses the database, and drops it. Dropping what is not there is no error.
func DropDatabase(ctx context.Context, base, name string) error {
	if err := execute(ctx, base, `drop database if exists `+pq.QuoteIdentifier(name)+` with (force)`); err != nil {
		return fmt.Errorf("drop test database: %w", err)
	}
	return nil
}

func databaseURL(base, name string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("postgres URL: %w", err)
	}
	u.Path = "/" + name
	q := u.Query()
	if !q.Has("sslmode") {
		q.Set("sslmode", "disable")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func open(url string) (*sql.DB, error) {
	connector, err := pq.NewConnector(url)
	if err != nil {
		return nil, fmt.Errorf("postgres URL: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

func execute(ctx context.Context, url, statement string) error {
	db, err := open(url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
