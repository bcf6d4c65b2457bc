package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// again is how long a question to the audit API waits before it is asked again.
const again = 10 * time.Millisecond

// ask reads one page of the program's audit API.
func (s *scene) ask(ctx context.Context, path string, query url.Values, into any) error {
	raw, err := s.raw(ctx, path, query)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// errNone: the audit API has no such thing, so far.
var errNone = errors.New("there is none")

func (s *scene) raw(ctx context.Context, path string, query url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.program.admin+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.world.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusNotFound:
		return nil, errNone
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s: %s", path, answer.Status, raw)
	}
	return raw, nil
}

// events are all that came of one webhook, with their bodies, by position.
func (s *scene) events(ctx context.Context, correlation string) (all []console.EventView, err error) {
	query := url.Values{"correlation_id": {correlation}, "body": {"true"}, "limit": {"200"}}
	for {
		var page console.EventPage
		if err := s.ask(ctx, "/v1/events", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// newest is the last position that is taken.
func (s *scene) newest(ctx context.Context) (eventstore.Position, error) {
	var page console.EventPage
	err := s.ask(ctx, "/v1/events", url.Values{"order": {"desc"}, "limit": {"1"}}, &page)
	if err != nil || len(page.Events) == 0 {
		return 0, err
	}
	return page.Events[0].Position, nil
}

// commands are those that were asked for because of one webhook.
func (s *scene) commands(ctx context.Context, correlation string) ([]console.CommandView, error) {
	var page console.CommandPage
	err := s.ask(ctx, "/v1/commands", url.Values{"correlation_id": {correlation}, "limit": {"200"}}, &page)
	return page.Commands, err
}

// settled waits until an instance has ended, one way or another, or waits for people.
func (s *scene) settled(ctx context.Context, name, key string) (console.InstanceDetail, error) {
	var d console.InstanceDetail
	err := s.until(ctx, func(ctx context.Context) (bool, string, error) {
		d = console.InstanceDetail{}
		err := s.ask(ctx, "/v1/sagas/"+url.PathEscape(name)+"/"+url.PathEscape(key), nil, &d)
		i := d.Instance
		return i.Terminal || i.Status == string(saga.Broken), fmt.Sprintf("saga %s/%s is %q in phase %q", name, key, i.Status, i.Phase), err
	})
	return d, err
}

// published waits until an event of a type has come of a webhook, and returns all events that have.
func (s *scene) published(ctx context.Context, correlation, typ string) (all []console.EventView, err error) {
	err = s.until(ctx, func(ctx context.Context) (done bool, _ string, err error) {
		all, err = s.events(ctx, correlation)
		return count(all, typ) > 0, "there is no " + typ, err
	})
	return all, err
}

// executed waits until every command that came of a webhook has its outcome, and there is one.
func (s *scene) executed(ctx context.Context, correlation string) (all []console.CommandView, err error) {
	err = s.until(ctx, func(ctx context.Context) (bool, string, error) {
		all, err = s.commands(ctx, correlation)
		for _, c := range all {
			if c.Outcome == "" {
				return false, c.Name + " is " + c.Status, err
			}
		}
		return len(all) > 0, "no command was sent", err
	})
	return all, err
}

// until asks until what is asked for is there. Questions without an answer are asked again, too, while the program runs.
// When patience ends the error says how things stood.
func (s *scene) until(ctx context.Context, look func(context.Context) (done bool, stood string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	tick := time.NewTicker(again)
	defer tick.Stop()
	stood := "nothing was answered"
	for {
		done, now, err := look(ctx)
		if err == nil && done {
			return nil
		}
		if err == nil {
			stood = now
		}
		select {
		case <-tick.C:
		case <-s.program.ended:
			return fmt.Errorf("hooksaga serve has ended: %s", s.program.cmd.ProcessState)
		case <-ctx.Done():
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				stood += " (" + err.Error() + ")"
			}
			return fmt.Errorf("%s after %s", stood, s.Patience)
		}
	}
}

// count is how many events are of a type.
func count(events []console.EventView, typ string) (n int) {
	for _, e := range events {
		if e.Type == typ {
			n++
		}
	}
	return n
}
