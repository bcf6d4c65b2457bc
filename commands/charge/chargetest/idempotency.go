package chargetest

import (
	"strconv"
	"time"
)

// keyring remembers what was answered under which idempotency key (docs.stripe.com/api/idempotent_requests). It is used
// under the simulator's lock.
type keyring struct {
	byKey      map[string]*keyRecord
	oldest     []*keyRecord
	executions map[string]int // by key, also of pruned ones: it makes ids differ
}

type keyRecord struct {
	key     string
	params  string // method, path and sorted parameters of the first use
	since   time.Time
	running bool
	first   string // the request id of the execution
	answer  answer
}

// begin takes the key for a request, or says what to answer instead.
func (k *keyring) begin(key, params, request string, now time.Time) (rec *keyRecord, instead *answer) {
	k.prune(now)
	rec, known := k.byKey[key]
	if known && rec.expired(now) {
		k.forget(rec)
		known = false
	}
	switch {
	case !known:
		rec = &keyRecord{key: key, params: params, since: now, running: true, first: request}
		k.byKey[key] = rec
		k.oldest = append(k.oldest, rec)
		k.executions[key]++
		return rec, nil
	case rec.params != params:
		a := keyReused(key).answer()
		return nil, &a
	case rec.running:
		a := keyInUse(key).answer()
		return nil, &a
	}
	a := rec.answer
	a.replayOf = rec.first
	return nil, &a
}

// finish stores what is answered under the key from now on.
func (k *keyring) finish(rec *keyRecord, a answer) {
	rec.running, rec.answer = false, a
}

// forget gives the key back: nothing was executed.
func (k *keyring) forget(rec *keyRecord) {
	if k.byKey[rec.key] == rec {
		delete(k.byKey, rec.key)
	}
}

// expired keys are as good as unknown. A key in use never expires.
func (rec *keyRecord) expired(now time.Time) bool {
	return !rec.running && now.Sub(rec.since) >= KeyLifetime
}

// prune frees the memory of expired keys, as far as none in use is older.
func (k *keyring) prune(now time.Time) {
	for len(k.oldest) > 0 && k.oldest[0].expired(now) {
		k.forget(k.oldest[0])
		k.oldest = k.oldest[1:]
	}
}

// origin names an execution for the derivation of ids: key and how often it has been executed.
func (k *keyring) origin(key string) string {
	return key + "/" + strconv.Itoa(k.executions[key])
}
