package sim_test

// mutant is a deliberate defect, the promise that it breaks, and what is said about it where only one oracle can find it.
type mutant struct{ name, breaks, says string }

// mutants are all of them. Each is an effect that a mistake in the product would have, made at a seam: the driver, the
// gateway, the transport, the publisher, a provider, a definition, a clock.
func mutants() []mutant {
	return []mutant{
		{"acknowledges before it is stored", "a 2xx means one committed row", "is not stored"},
		{"believes every signature", "what is not authentic is refused", "was forged"},
		{"believes old signatures", "a signature is good for five minutes", "was forged"},
		{"takes the other mode", "a webhook of the other mode is quarantined", "live"},
		{"stores a body tidied up", "raw bytes come back exactly as they arrived", "is not what was sent"},
		{"decides before it commits", "decision, state and commands are one commit", ""},
		{"sends after it commits", "decision, state and commands are one commit", ""},
		{"an unknown commit is taken for done", "an unknown commit is repeated", ""},
		{"a conflict is taken for done", "whoever lost a race decides again", ""},
		{"decides every time anew", "one decision for each saga and event", ""},
		{"start not once", "a start acts once for each instance", ""},
		{"the record is believed", "a record of the bus is a hint", ""},
		{"dedupes by position", "what the bus loses, the sweep finds", ""},
		{"watermark moves too early", "everything at or below the watermark is decided", "the watermark of"},
		{"goes on after an error", "everything at or below the watermark is decided", "the watermark of"},
		{"an older definition leads", "only the newest definition moves the watermark", "newer definition"},
		{"an older build writes", "an older binary leaves alone what a newer one wrote", ""},
		{"what comes early is dropped", "what comes before its start waits", ""},
		{"nothing waits for what is parked", "later events of a key queue behind a parked one", ""},
		{"forgets a redrive", "what is redriven runs again", "still queued"},
		{"checkpoint before ack", "what the checkpoint has passed is on the bus", "checkpoint has passed"},
		{"publishes secrets", "no secret on the bus", "a secret"},
		{"key with the attempt", "at most one effect of a command", ""},
		{"key without attempt", "another attempt is another command", "something else under the key"},
		{"no fence", "a command has one outcome", ""},
		{"claims what is claimed", "an unanswered attempt is unknown", ""},
		{"first claim is reset", "23 hours count from the first claim", ""},
		{"resends for ever", "nothing is sent after 23 hours", ""},
		{"the clock stands still with the process", "a call starts only if it can end inside its lease", ""},
		{"absent look-up means failed", "absence ends nothing", "payment pi_"},
		{"a lost answer is a refusal", "no answer is not an outcome", "payment pi_"},
		{"late success ignored", "late money goes back", ""},
		{"one asker is answered", "everybody who asked is answered, once", "was not answered"},
		{"timer id without arming", "arming again is new", ""},
		{"timers fire early", "timers count from the recorded time", "due at"},
	}
}
