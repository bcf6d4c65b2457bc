package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/console"
)

// triggered is what came of a webhook that was sent.
type triggered struct {
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	URL     string `json:"url"`
	Status  int    `json:"status"` // of the answer
	// Where the store can be read from here:
	Position      eventstore.Position `json:"position,omitempty"`
	CorrelationID string              `json:"correlation_id,omitempty"`
}

type triggering struct {
	sets              []string
	url, secret, from string
	dry               bool
}

func (c *cli) trigger() *cobra.Command {
	var o triggering
	cmd := &cobra.Command{
		Use: "trigger EVENT_TYPE", Short: "Send a webhook as its provider would",
		Long: "Make an event, sign it and post it to the endpoint of webhooks, as Stripe would, with a header as Stripe's CLI makes it;\n" +
			"types that begin with \"order.\" are sent as the order service. The secret is the provider's first, or that of `hooksaga dev`\nif none is set.",
		Example: `  hooksaga trigger customer.subscription.deleted
  hooksaga trigger payment_intent.succeeded --set amount=4200 --set currency=eur
  hooksaga trigger order.placed --set order_id=o_1`,
		Args: args(1, "one event type"),
		RunE: func(cmd *cobra.Command, given []string) error { return c.runTrigger(cmd, given[0], o) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.sets, "set", nil, "field=value in the event's object; may be given several times")
	flags.StringVar(&o.url, "url", "", "endpoint (default the one of HOOKSAGA_LISTEN)")
	flags.StringVar(&o.secret, "secret", "", "signing secret; others on this machine can see it, so prefer the environment")
	flags.StringVar(&o.from, "provider", "", "provider: stripe or orders (default by type)")
	flags.BoolVar(&o.dry, "dry-run", false, "print the body and send nothing")
	return cmd
}

func (c *cli) runTrigger(cmd *cobra.Command, eventType string, o triggering) error {
	cfg, err := c.load(cmd, true, map[string]string{"stripe_webhook_secret": devStripeSecret, "orders_webhook_secret": devOrdersSecret})
	if err != nil {
		return err
	}
	if o.from == "" {
		o.from = "stripe"
		if strings.HasPrefix(eventType, "order.") {
			o.from = config.Orders
		}
	}
	if o.from != "stripe" && o.from != config.Orders {
		return usage("--provider is %q; allowed are stripe, orders", o.from)
	}
	if err := lacks(c.App.BuildEvent == nil, "trigger"); err != nil {
		return err
	}
	body, err := c.App.BuildEvent(eventType, o.sets)
	if err != nil {
		return &Error{ExitUsage, fmt.Errorf("cannot make an event %s: %w", eventType, err), "check the type's spelling and --set field=value"}
	}
	if o.dry {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimRight(string(body), "\n"))
		return err
	}
	if o.secret == "" {
		o.secret = cfg.WebhookSecrets(o.from)[0].Reveal()
	}
	if o.url == "" {
		o.url = reach(cfg.Listen) + "/webhooks/" + o.from
	}
	sent, err := c.post(cmd.Context(), o, eventType, body)
	if err != nil {
		return err
	}
	c.locate(cmd.Context(), cfg, o.from, &sent)
	if err := show(c, cmd, sent, func(t *table) { triggeredTable(t, sent) }); err != nil {
		return err
	}
	if c.format == formatTable {
		note(cmd, "next: hooksaga events list --correlation-id %s\n      hooksaga sagas list", cmp.Or(sent.CorrelationID, sent.EventID))
	}
	return nil
}

func triggeredTable(t *table, v triggered) {
	t.row("event", v.EventID)
	t.row("type", v.Type)
	t.row("status", strconv.Itoa(v.Status)+" "+http.StatusText(v.Status))
	if v.Position > 0 {
		t.row("position", strconv.FormatInt(int64(v.Position), 10))
	}
}

// post signs and sends a webhook. Anything but a 2xx is an error.
func (c *cli) post(ctx context.Context, o triggering, eventType string, body []byte) (triggered, error) {
	var envelope struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return triggered{}, fmt.Errorf("the event that was made cannot be read: %w", err)
	}
	out := triggered{EventID: envelope.ID, Type: eventType, URL: o.url}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return out, usage("--url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	c.sign(req.Header, o, body)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return out, &Error{ExitError, fmt.Errorf("nobody takes the webhook: %w", err), "start `hooksaga dev` or `hooksaga serve`, or name its endpoint with --url"}
	}
	defer res.Body.Close()
	out.Status = res.StatusCode
	if res.StatusCode/100 == 2 {
		return out, nil
	}
	return out, refused(o, res)
}

// sign adds the provider's header.
func (c *cli) sign(h http.Header, o triggering, body []byte) {
	if o.from == config.Orders {
		mac := hmac.New(sha256.New, []byte(o.secret))
		mac.Write(body)
		h.Set("X-Hmac-Signature", hex.EncodeToString(mac.Sum(nil)))
		return
	}
	sign := c.App.SignStripe
	if sign == nil {
		sign = func(body []byte, secret string, at time.Time) string {
			return chargetest.Sign(body, secret, at, chargetest.WithV0())
		}
	}
	h.Set(chargetest.SignatureHeader, sign(body, o.secret, c.Now()))
}

// refused says why a webhook was not taken.
func refused(o triggering, res *http.Response) error {
	var p console.Problem
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // what could not be read says nothing
	_ = json.Unmarshal(body, &p)
	e := &Error{ExitError, fmt.Errorf("%s answered %s", o.url, res.Status), p.Hint}
	if p.Title != "" {
		e.Err = fmt.Errorf("%s answered %s: %s (%s)", o.url, res.Status, clean(p.Title), clean(p.Code))
	}
	switch {
	case res.StatusCode == http.StatusBadRequest:
		e.Hint = "set " + config.SecretKey(o.from) + " to the secret of the process that answers"
	case res.StatusCode == http.StatusNotFound:
		e.Hint = "the provider " + o.from + " is mounted when " + config.SecretKey(o.from) + " is set; or name the endpoint with --url"
	case e.Hint == "":
		e.Hint = "its log says more"
	}
	return e
}

// locate finds the event in the store, if that can be read from here: it was committed before it was answered.
func (c *cli) locate(ctx context.Context, cfg config.Config, provider string, sent *triggered) {
	if c.App.OpenStore == nil {
		return
	}
	store, err := c.App.OpenStore(ctx, cfg, true)
	if err != nil {
		return // on another machine, perhaps
	}
	defer store.Close()
	page, err := store.Read(ctx, eventstore.Query{Source: provider, Type: sent.Type, Desc: true, Limit: pageSize})
	if err != nil {
		return
	}
	for _, e := range page {
		if e.ID == sent.EventID {
			sent.Position, sent.CorrelationID = e.Position, e.CorrelationID
			return
		}
	}
}
