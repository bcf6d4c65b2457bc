package pgtest_test

import (
	"testing"
)

func TestServerKeepsCommitsThroughACrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	db := open(t, s.URL())
	exec(t, db, `create table kept (n int)`)
	exec(t, db, `insert into kept values (41)`)
	all, err := s.Processes()
	if err != nil || len(all) < 3 || !s.Running() {
		t.Fatalf("processes %v: %v", all, err)
	}
	if err := s.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Processes(); err != nil || len(all) > 0 || s.Running() {
		t.Errorf("after the crash: processes %v: %v", all, err)
	}
	if err := s.Crash(t.Context()); err != nil {
		t.Errorf("crashed again: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	again := open(t, s.URL())
	if err := again.QueryRowContext(t.Context(), `select n from kept`).Scan(&n); err != nil || n != 41 {
		t.Errorf("kept %d: %v", n, err)
	}
}
