package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	r := &runner{options: options{contenders: contenders(), measures: []string{measureClosed, measureE2E}, rounds: 3}, results: map[string][]reading{
		measureClosed + " h": {{rate: 900}, {rate: 1000}, {rate: 5000}},
		measureClosed + " r": {{rate: 250}, {rate: 250}, {rate: 250}},
		measureClosed + " w": {{rate: 200}, {rate: 200}, {rate: 200}},
		measureE2E + " h":    {{p50: time.Millisecond, p99: 4 * time.Millisecond}},
		measureE2E + " r":    {{p50: 10 * time.Millisecond, p99: 10 * time.Millisecond}},
	}, mistakes: []string{"lost"}}
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		"charges/s to River's                           4.00   ≥ 5.00   MISSES by 1.00\n",
		"charges/s to watermill-sql's                   5.00   ≥ 4.00   ok\n",
		"end to end, p50 to River's                     0.10   ≤ 0.15   ok\n",
		"end to end, p99 to River's                     0.40   ≤ 0.30   MISSES by 0.10\n",
		"WRONG: lost\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "Kafka's") || strings.Contains(out.String(), "slow gateway") {
		t.Errorf("the table has verdicts on what was not measured:\n%s", &out)
	}
}

func TestTargetsAreAboutContenders(t *testing.T) {
	t.Parallel()
	measures := map[string][]string{}
	for _, c := range contenders() {
		if _, twice := measures[c.letter]; twice {
			t.Errorf("two contenders are %q", c.letter)
		}
		measures[c.letter] = c.measures
	}
	for _, target := range targets() {
		if !slices.Contains(measures[target.ours], target.measure) || target.its != "" && !slices.Contains(measures[target.its], target.measure) ||
			(target.atLeast == 0) == (target.atMost == 0) {
			t.Errorf("target %+v", target)
		}
	}
}

// The peers with their libraries' defaults are the same programs, and nothing is judged by them.
func TestDefaultsAreBesideTheTuned(t *testing.T) {
	t.Parallel()
	by := map[string]contender{}
	for _, c := range contenders() {
		by[c.letter] = c
	}
	for letter, tuned := range map[string]string{"rd": "r", "wd": "w"} {
		d := by[letter]
		if d.dir != by[tuned].dir || d.dir == "" || d.settings != nil || !slices.Equal(d.always, []setting{"PEER_DEFAULTS=1"}) || by[tuned].always != nil {
			t.Errorf("got %+v beside %+v", d, by[tuned])
		}
		for _, target := range targets() {
			if target.ours == letter || target.its == letter {
				t.Errorf("%s is judged by %s", target.what, letter)
			}
		}
	}
	if got := []int{by["r"].orders(6000), by["wd"].orders(6000), by["wd"].orders(10)}; !slices.Equal(got, []int{6000, 1000, 10}) {
		t.Errorf("orders of r, wd, and wd where fewer are wanted: %v", got)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	var from, to []int64
	for i := range int64(1000) {
		from, to = append(from, 1), append(to, 1+1000-i)
	}
	from, to = append(from, 0, 5, 9), append(to, 7, 0, 8) // one never began, one never ended, one ended before it was told
	p50, p99, most := spread(between(from, to))
	if p50 != 500 || p99 != 990 || most != 1000 {
		t.Errorf("got %d, %d, %d, want 500, 990, 1000", p50, p99, most)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-only h,x": `there is no contender "x"`, "-measure speed": `there is no measure "speed"`, "-orders 0": "at least 1", "more": "unexpected",
	} {
		if _, err := parseFlags(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	o, err := parseFlags([]string{"-only", "k,h", "-set", "A=b"}, io.Discard)
	if err != nil || len(o.contenders) != 2 || o.contenders[0].letter != "k" || len(o.extra) != 1 {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestContendersGetNoForeignSettings(t *testing.T) {
	t.Setenv("HOOKSAGA_WORKERS", "1")
	t.Setenv("STRIPE_KEY_FILE", "f")
	t.Setenv("SHOP_WEBHOOK_SECRET", "s")
	t.Setenv("PAYMENTS_MODE", "gateway")
	for _, c := range contenders() {
		env := strings.Join(c.environment(&site{database: "postgres://x", brokers: "k:1"}, "l:1", "a:1", "g:1"), "\n")
		for _, foreign := range []string{"HOOKSAGA_WORKERS", "STRIPE_KEY_FILE", "SHOP_WEBHOOK_SECRET", "PAYMENTS_MODE"} {
			if strings.Contains(env, foreign) {
				t.Errorf("%s gets %s", c.name, foreign)
			}
		}
		if !strings.Contains(env, "STRIPE_API_BASE=http://g:1") || !strings.Contains(env, "postgres://x") || !strings.Contains(env, "PATH="+os.Getenv("PATH")) {
			t.Errorf("%s lacks settings: %s", c.name, env)
		}
	}
}
