/*
From the log to a saga: who hands which event to it, and how far its watermark may go, while a bus loses, repeats,
reorders and forges, processes die and freeze, and a newer definition of the saga is rolled out, back and out again.

Small, and why that is enough: a log of four positions, one of which is the activation, so that there is something before
it, something to pass by, and something behind that; two processes, one of each definition, because a lease has one
holder and one who was it before, and two of one definition behave as one that restarts; two kinds of events, those that
both definitions want and those that only the newer one wants. The bus needs no state at all: a record may arrive at any
time, any number of times, or never, which is all that loss, repetition, reordering, an emptied topic and a switch of the
bus can do. A lease is two bits: it runs, and this process has its latest fence.

Stands for: internal/engine (Activate, Sweep, Hints, Definitions) over driver.Store.Advance, Acquire and Announce. See
README.md for what is what.

rule ADVANCE_FIRST breaks watermark_stays_below
  The watermark moves when everything up to it is decided, and not when it is read.
  test internal/engine/sweep_test.go TestTheWatermarkStaysBelowWhatIsNotDecided
rule NO_FENCE breaks watermark_stays_below
  Who lost the lease cannot move the watermark.
  test internal/engine/models_delivery_test.go TestAnOlderSweepThatWakesDoesNotMoveTheWatermark
rule OLD_SWEEPS breaks watermark_stays_below
  Only the newest definition moves the watermark: an older one passes by what only the newer one wants.
  test internal/engine/sweep_test.go TestOnlyTheNewestDefinitionSweeps
rule OLD_LOOK breaks watermark_stays_below
  Whether it is the newest is looked up after an event was read and before the watermark passes it.
  test internal/engine/models_delivery_test.go TestAnOlderSweepThatHasNotLookedLately
rule OFFSET_IS_PROGRESS breaks watermark_stays_below
  A record of the bus says nothing about the ones before it.
  test internal/engine/sweep_test.go TestTheSweepFindsWhatTheBusHasLost
rule ACTIVATED_AGAIN breaks watermark_stays_below
  A saga is activated once: a restart does not begin at the head.
  test internal/engine/models_delivery_test.go TestARestartActivatesNothingAnew
rule NO_GUARD breaks decided_once
  The decision's id is made from saga and event, and the store refuses it twice.
  test internal/engine/engine_test.go TestOneDecisionHoweverOftenAndByWhomeverHandedIn
rule BELOW_ACTIVATION breaks nothing_before_activation
  What was stored before the activation causes nothing, whoever hands it in.
  test internal/engine/models_delivery_test.go TestARecordFromBeforeTheActivation
rule BELIEVED_RECORDS breaks only_what_is_stored
  A record is a hint: what it does not find in the store is refused.
  test internal/engine/sweep_test.go TestTheSweepFindsWhatTheBusHasLost
rule NO_SWEEP breaks everything_is_decided
  The sweep follows the store: what the bus loses is found.
  test internal/engine/sweep_test.go TestTheSweepFindsWhatTheBusHasLost
rule NO_TAKEOVER breaks everything_is_decided
  A lease that ran out is taken by another.
  test internal/engine/sweep_test.go TestOneSweepsAtATimeAndTheNextGoesOnFromTheWatermark
rule NEWEST_FOR_EVER breaks everything_is_decided
  A newer definition that has fallen silent is the newest no more: a rollback stalls nothing.
  test internal/engine/sweep_test.go TestOnlyTheNewestDefinitionSweeps
*/

#define N 4
#define OLD 0
#define NEW 1

mtype = { nothing, both, newer_only, activation };        /* what stands at a position */
mtype = { idle, reading, handing, done_with, moving };  /* where a sweep is */

hidden byte watermark_stays_below, decided_once, nothing_before_activation, only_what_is_stored;

/* The store. */
mtype log[5] = nothing;
byte head, activated, watermark;
byte decided[5];
bool leased, newer_seen;        /* newer_seen: the newer definition was announced within the ttl */
bool owed[5];                   /* only the newer definition wants it, and it was seen, or swept, since before the watermark passed */

/* The processes. */
bool up[2], has[2], fenced[2], newest[2];       /* has: it believes that it holds the lease; fenced: it has not the latest fence */
mtype sweep[2] = idle;
byte at[2], last[2], now_at[2];

/* Things go wrong without end; in runs for liveness LIVE is 2, which is how often, and the bus brings nothing at all. */
#ifdef LIVE
byte troubles = LIVE;
#define TROUBLE_IF(x) (troubles > 0 && (x)) -> troubles--
#else
#define TROUBLE_IF(x) (x)
#endif

#define WANTS(n, p) (log[p] == both || (log[p] == newer_only && n == NEW))
#define SETTLED(p) (log[p] == nothing || log[p] == activation || p < activated || activated == 0 || decided[p] > 0 || (log[p] == newer_only && !owed[p]))
#define PASSED(p) (p > watermark || SETTLED(p))

/* engine.Handle: one commit, refused where the decision is there already. */
inline decide(p) {
#ifdef NO_GUARD
	decided[p]++;
#else
	decided[p] = 1;
#endif
	assert(decided[p] == 1 || decided_once);
	assert((activated > 0 && p > activated) || nothing_before_activation)
}

inline advance(p) {
	watermark = (p > watermark -> p : watermark);
	assert((PASSED(1) && PASSED(2) && PASSED(3) && PASSED(4)) || watermark_stays_below)
}

/* Senders and gateways: events come. */
proctype Senders() {
end:
	do
	:: atomic { head < N - (activated == 0) -> head++; log[head] = both }
	:: atomic { head < N - (activated == 0) -> head++; log[head] = newer_only; owed[head] = newer_seen }
	od
}

inline stop(n) {
	up[n] = false; has[n] = false; fenced[n] = true; newest[n] = false; sweep[n] = idle; at[n] = 0; last[n] = 0; now_at[n] = 0
}

inline look(n) {
	newer_seen = newer_seen || (n == NEW);
#ifdef OLD_SWEEPS
	newest[n] = true
#else
	newest[n] = (n == NEW || !newer_seen)
#endif
}

/* A process starts, and may die and start again; the newer one may also stay away: engine.Activate, Definitions.Step. */
proctype Life(byte n) {
end:
	do
	:: atomic { !up[n] -> up[n] = true;
		if
		:: activated == 0 -> head++; log[head] = activation; activated = head; watermark = head
#ifdef ACTIVATED_AGAIN
		:: activated > 0 -> advance(head)
#else
		:: activated > 0
#endif
		fi;
		look(n)
	   }
	:: atomic { TROUBLE_IF(up[n]); stop(n);
		if
		:: n == NEW -> goto gone                /* rolled back for good */
		:: true
		fi
	   }
	od;
gone:
	skip
}

/* Definitions.Run. */
proctype Look(byte n) {
end:
	do
	:: atomic { up[n] && (newest[n] != (n == NEW || !newer_seen) || (n == NEW && !newer_seen)) -> look(n) }
	od
}

/* What lies above the watermark when the newer definition takes over is its to decide. */
inline owes(q) { owed[q] = owed[q] || (newer_seen && q > watermark && log[q] == newer_only) }

/* Sweep.Step. */
proctype Sweep(byte n) {
	byte p;
end:
	do
	:: atomic { up[n] && sweep[n] == idle && has[n] && !newest[n] ->                /* letGo */
		if
		:: !fenced[n] -> leased = false
		:: else
		fi;
		has[n] = false; at[n] = 0 }
	:: atomic { up[n] && sweep[n] == idle && !has[n] && newest[n] && !leased ->     /* hold, begin */
		leased = true; has[n] = true; fenced[n] = false; fenced[1 - n] = true; at[n] = watermark;
		if
		:: n == NEW -> owes(1); owes(2); owes(3); owes(4)
		:: else
		fi }
	:: atomic { up[n] && sweep[n] == idle && has[n] && newest[n] && at[n] < head -> /* a batch: some of what is there */
		last[n] = at[n] + 1;
		do
		:: last[n] < head -> last[n]++
		:: break
		od;
		now_at[n] = at[n];
#ifdef ADVANCE_FIRST
		if
		:: !fenced[n] && leased -> advance(last[n])
		:: else
		fi;
#endif
		sweep[n] = handing }
	:: atomic { up[n] && sweep[n] == handing ->
		p = now_at[n] + 1; now_at[n] = p;
		if
		:: WANTS(n, p) && decided[p] == 0 -> decide(p)
		:: else
		fi;
		p = 0;
		if
		:: now_at[n] == last[n] -> sweep[n] = done_with; at[n] = last[n]; last[n] = 0; now_at[n] = 0
		:: else
		fi }
	:: atomic { up[n] && sweep[n] == done_with ->                                   /* persist, or not yet */
		if
#ifdef OLD_LOOK
		:: sweep[n] = moving
#else
		:: look(n); sweep[n] = (newest[n] -> moving : idle)
#endif
		:: sweep[n] = idle
		fi }
	:: atomic { up[n] && sweep[n] == moving ->                                      /* driver.Store.Advance */
		if
#ifdef NO_FENCE
		:: true -> advance(at[n])
#else
		:: leased && !fenced[n] -> advance(at[n])
		:: else -> has[n] = false; at[n] = 0                                    /* ErrLeaseLost */
#endif
		fi;
		sweep[n] = idle }
	od
}

/* Hints: the bus brings what it likes, or nothing. */
proctype Bus(byte n) {
	byte p;
end:
	do
	:: atomic { up[n] -> p = 1;
		do
		:: p < N -> p++
		:: break
		od;
		if
		:: p <= head && WANTS(n, p) ->
#ifndef BELOW_ACTIVATION
			if
			:: p > activated ->
#endif
			if
#ifdef NO_GUARD
			:: true -> decide(p)
#else
			:: decided[p] == 0 -> decide(p)
			:: else
#endif
			fi
#ifdef OFFSET_IS_PROGRESS
			; advance(p)
#endif
#ifndef BELOW_ACTIVATION
			:: else
			fi
#endif
		:: p > head ->                                                          /* forged, or of another store */
#ifdef BELIEVED_RECORDS
			assert(p <= head || only_what_is_stored)
#else
			skip
#endif
		:: else
		fi;
		p = 0 }
	od
}

inline unseen() {
	newer_seen = false; owed[1] = false; owed[2] = false; owed[3] = false; owed[4] = false
}

/* Leases end, and who is silent for long is not seen any more. */
proctype Clock() {
end:
	do
#ifndef NO_TAKEOVER
	:: atomic { leased && (fenced[OLD] || !up[OLD]) && (fenced[NEW] || !up[NEW]) -> leased = false }
	:: atomic { TROUBLE_IF(leased && ((!fenced[OLD] && up[OLD]) || (!fenced[NEW] && up[NEW]))); leased = false }
#endif
#ifndef NEWEST_FOR_EVER
	:: atomic { newer_seen && !up[NEW] -> unseen() }
	:: atomic { TROUBLE_IF(newer_seen && up[NEW]); unseen() }       /* it is frozen for longer than the ttl */
#endif
	od
}

init {
	atomic {
		fenced[OLD] = true; fenced[NEW] = true;
		run Senders(); run Clock();
		run Life(OLD); run Life(NEW); run Look(OLD); run Look(NEW);
#ifndef NO_SWEEP
		run Sweep(OLD); run Sweep(NEW);
#endif
#ifndef LIVE
		run Bus(OLD); run Bus(NEW)
#endif
	}
}

ltl everything_is_decided { [] <> (SETTLED(1) && SETTLED(2) && SETTLED(3) && SETTLED(4)) }
