package schedules_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// hooksaga runs the real command line, and returns its exit code and what it wrote.
func hooksaga(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program.path(t), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, stdout.String(), stderr.String()
}

// The verbs of the store on Postgres: the application's role lists, adds partitions and plans, and is refused to prune, with
// what to do about it; the owner's prunes.
func TestTheStoresVerbsOnPostgres(t *testing.T) {
	t.Parallel()
	at := postgres(t)
	store := at.open(t, time.Now)
	var all []eventstore.NewEvent
	for _, id := range []string{"e1", "e2", "e3", "e4", "e5"} {
		all = append(all, eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: "shop", Type: "parcel.sent", Body: []byte("{}")}})
	}
	if _, err := store.Append(t.Context(), "shop/parcels", eventstore.Any, all...); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", at.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	role := "app_" + strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(t.Name()))
	for _, statement := range []string{`create role ` + role + ` login password 'dev'`, `select hooksaga_grant('` + role + `')`} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, statement := range []string{`drop owned by ` + role, `drop role ` + role} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Error(err)
			}
		}
	}()
	app, err := url.Parse(at.url)
	if err != nil {
		t.Fatal(err)
	}
	app.User = url.UserPassword(role, "dev")

	code, out, said := hooksaga(t, "store", "partitions", "--ahead", "2", "-o", "json", "--store", app.String())
	var list struct {
		Partitions []struct {
			Name, State string
			Events      int
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list.Partitions) != 3 || list.Partitions[0].State != "active" ||
		list.Partitions[0].Events != 5 || list.Partitions[2].State != "ahead" || said != "2 added\n" {
		t.Errorf("partitions: exit %d, %+v, %s%v", code, list, said, err)
	}
	prune := []string{"store", "prune", "--before", "4", "--grace", "0s", "--rows"}
	code, out, said = hooksaga(t, append(prune, "--store", app.String())...)
	if code != 0 || !strings.Contains(out, "3 events, positions 1 to 3") || !strings.Contains(out, "nothing was changed") {
		t.Errorf("a dry run: exit %d, %s%s", code, out, said)
	}
	code, _, said = hooksaga(t, append(prune, "--apply", "--store", app.String())...)
	if code != 1 || !strings.Contains(said, role) || !strings.Contains(said, "the application's role may not remove events") || strings.Contains(said, "dev@") {
		t.Errorf("by the application's role: exit %d, %s", code, said)
	}
	if h, err := store.Head(t.Context()); err != nil || h.Floor != 0 {
		t.Errorf("head is %+v, %v", h, err)
	}
	code, out, said = hooksaga(t, append(prune, "--apply", "-o", "json", "--store", at.url)...)
	if h, err := store.Head(t.Context()); code != 0 || err != nil || h.Floor != 3 || !strings.Contains(out, `"removed": 3`) {
		t.Errorf("by the owner: exit %d, %s%s; head %+v, %v", code, out, said, h, err)
	}
}
