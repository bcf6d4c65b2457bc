package console

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// InstancePage is a list of instances, ordered by saga and key.
type InstancePage struct {
	Sagas []InstanceView `json:"sagas"`
	Next  string         `json:"next,omitempty"` // cursor of the next page; "" on the last
}

// CommandPage is a list of commands, ordered by id.
type CommandPage struct {
	Commands []CommandView `json:"commands"`
	Next     string        `json:"next,omitempty"` // cursor of the next page; "" on the last
}

func (c *console) instances(w http.ResponseWriter, r *http.Request) error {
	p := parameters(r)
	q := driver.InstanceQuery{Saga: p.text("saga"), Status: p.text("status"), Phase: p.text("phase"), CorrelationID: p.text("correlation_id"),
		Parked: p.flag("parked"), Stuck: p.flag("stuck")}
	limit, question := p.limit(), p.question("sagas")
	q.After = p.cursor(question)
	if err := p.done(); err != nil {
		return err
	}
	q.Limit = limit + 1
	list, err := c.store.Driver().ListInstances(r.Context(), q)
	if err != nil {
		return err
	}
	page := InstancePage{Sagas: []InstanceView{}}
	if len(list) > limit {
		list = list[:limit]
		page.Next = newCursor(question, list[limit-1].ID)
	}
	now := c.now()
	for _, i := range list {
		page.Sagas = append(page.Sagas, ViewInstance(i, now))
	}
	answer(w, http.StatusOK, page)
	return nil
}

// instance answers /v1/sagas/{name}/{key}, escaped as it was sent: the name ends at the first slash.
func (c *console) instance(w http.ResponseWriter, r *http.Request) error {
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/v1/sagas/")
	name, key, ok := strings.Cut(escaped, "/")
	name, err1 := url.PathUnescape(name)
	key, err2 := url.PathUnescape(key)
	if !ok || name == "" || key == "" || err1 != nil || err2 != nil {
		return notFound("a path of an instance is /v1/sagas/{name}/{key}", "/v1/sagas?saga="+url.QueryEscape(name)+" lists a saga's instances")
	}
	if err := parameters(r).done(); err != nil {
		return err
	}
	d, found, err := Detail(r.Context(), c.store, name, key, c.now(), c.deliverable)
	switch {
	case err != nil:
		return err
	case !found:
		return notFound(fmt.Sprintf("saga %q has no instance %q", name, key), "/v1/sagas lists them")
	}
	answer(w, http.StatusOK, d)
	return nil
}

func (c *console) commands(w http.ResponseWriter, r *http.Request) error {
	p := parameters(r)
	q := driver.CommandQuery{Name: p.text("name"), Status: p.text("status"), CorrelationID: p.text("correlation_id")}
	if q.Status == StatusUndeliverable {
		p.fail("status", "cannot be asked for: undeliverable is worked out", "ask for pending")
	}
	limit, question := p.limit(), p.question("commands")
	q.After = p.cursor(question)
	if err := p.done(); err != nil {
		return err
	}
	q.Limit = limit + 1
	list, err := c.store.Driver().ListCommands(r.Context(), q)
	if err != nil {
		return err
	}
	page := CommandPage{Commands: []CommandView{}}
	if len(list) > limit {
		list = list[:limit]
		page.Next = newCursor(question, list[limit-1].ID)
	}
	for _, one := range list {
		page.Commands = append(page.Commands, ViewCommand(one, c.deliverable))
	}
	answer(w, http.StatusOK, page)
	return nil
}

func (c *console) command(w http.ResponseWriter, r *http.Request, id string) error {
	if err := parameters(r).done(); err != nil {
		return err
	}
	list, err := c.store.Driver().Commands(r.Context(), []string{id})
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return notFound(fmt.Sprintf("there is no command %q", id), "/v1/commands lists them")
	}
	answer(w, http.StatusOK, ViewCommand(list[0], c.deliverable))
	return nil
}

// How much of an instance's past is looked at.
const (
	detailEvents       = 500
	detailQueue        = 500
	detailCorrelations = 50
)

// Detail gathers an instance and what belongs to it; false if there is none. It is not one snapshot: what changes while it
// is read may be seen in one part and not yet in another.
func Detail(ctx context.Context, store *eventstore.Store, name, key string, now time.Time, deliverable func(string) bool) (InstanceDetail, bool, error) {
	db, id := store.Driver(), name+"/"+key
	rows, err := db.Instances(ctx, []string{id})
	if err != nil || len(rows) == 0 {
		return InstanceDetail{}, false, err
	}
	d := InstanceDetail{Instance: ViewInstance(rows[0], now), Stream: "saga/" + id, Queue: []QueuedView{}, Commands: []CommandView{}, Events: []EventView{}}
	queue, err := db.Queue(ctx, driver.QueueQuery{Instance: id, Limit: detailQueue})
	if err != nil {
		return d, false, err
	}
	for _, q := range queue {
		d.Queue = append(d.Queue, ViewQueued(q))
	}
	events, err := store.Read(ctx, eventstore.Query{Stream: d.Stream, Desc: true, Limit: detailEvents + 1})
	if err != nil {
		return d, false, err
	}
	if len(events) > detailEvents {
		events, d.More = events[:detailEvents], true
	}
	slices.Reverse(events)
	for _, e := range events {
		d.Events = append(d.Events, ViewEvent(e, true))
	}
	commands, err := asked(ctx, db, rows[0], events)
	if err != nil {
		return d, false, err
	}
	for _, c := range commands {
		d.Commands = append(d.Commands, ViewCommand(c, deliverable))
	}
	return d, true, nil
}

// asked finds the commands of an instance. Those that were answered caused events of its stream; the others carry the
// correlation id of the input that led to them, which its stream has, too: the newest such ids are looked at.
func asked(ctx context.Context, db driver.Store, i driver.Instance, events []eventstore.Event) ([]driver.Command, error) {
	correlations, causes := map[string]bool{i.CorrelationID: true}, []string{}
	for _, e := range slices.Backward(events) {
		if len(correlations) < detailCorrelations {
			correlations[e.CorrelationID] = true
		}
		if e.CausationID != "" {
			causes = append(causes, e.CausationID)
		}
	}
	found := map[string]driver.Command{}
	add := func(list []driver.Command, err error) error {
		for _, c := range list {
			found[c.ID] = c
		}
		return err
	}
	if err := add(db.Commands(ctx, causes)); err != nil {
		return nil, err
	}
	for id := range correlations {
		if id == "" {
			continue
		}
		if err := add(db.ListCommands(ctx, driver.CommandQuery{CorrelationID: id, Limit: MaxLimit})); err != nil {
			return nil, err
		}
	}
	askers, err := db.Askers(ctx, slices.Collect(maps.Keys(found)))
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, a := range askers {
		mine[a.Command] = mine[a.Command] || a.Instance == i.ID
	}
	maps.DeleteFunc(found, func(id string, _ driver.Command) bool { return !mine[id] })
	return slices.SortedFunc(maps.Values(found), func(a, b driver.Command) int {
		return compare(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	}), nil
}

func compare(first, second int) int {
	if first != 0 {
		return first
	}
	return second
}
