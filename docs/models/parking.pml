/*
The queue of one instance: what waits for its start, what failed and everything behind it, what only a newer binary can
read, and how all of it is run again. Two processes, an older and a newer build of one saga, are handed the inputs of one
key at the same time, from the beginning and again and again; both drain; an operator redrives.

Small, and why that is enough: three inputs, because the rules are about one input, one before it and one behind it; any
of them may be the start, any may fail until a fixed handler is rolled out, and any may be unreadable for the older
build; one key, because nothing of an instance is seen by another. Each process hands inputs in by position, as the sweep
does and a lane of hints; a bus that reorders promises no order. The revision of the instance's row is a bit for each who
has read it, "nobody has changed it since".

Stands for: internal/engine (Handle, plan, queue, drain, Redrive, Overdue) over driver.Store.Commit. See README.md for
what is what.

rule PASS_THE_PARKED breaks order_is_kept
  What comes for an instance with a parked input queues behind it: direct handling needs an empty queue.
  test internal/engine/engine_test.go TestAFailedInputParksWithEverythingBehindIt
rule NO_REVISION breaks order_is_kept
  Whatever is decided or queued is judged against the instance's revision.
  test internal/engine/models_parking_test.go TestAParkingThatOvertakesADecision
rule START_ALONE breaks order_is_kept
  The start and what waits for it are one commit.
  test internal/engine/engine_test.go TestAnEarlyEventWaitsForItsStart
rule WAIT_WITHOUT_A_ROW breaks order_is_kept
  The first input that waits makes the instance's row, so that a start in between conflicts with it.
  test internal/engine/models_parking_test.go TestAStartThatOvertakesWhatWouldWait
rule OLDER_OVERWRITES breaks newer_state_is_left_alone
  An older build queues what comes for an instance that a newer one wrote.
  test internal/engine/engine_test.go TestAnOlderBinaryLeavesANewerInstanceAlone
rule NEWER_IS_NOT_DRAINED breaks nothing_stays
  What waited for a newer build is run by it, and needs nobody.
  test internal/engine/engine_test.go TestAnOlderBinaryLeavesANewerInstanceAlone
rule PARKED_BEHIND_NEWER breaks only_failures_need_people
  What queues behind an input for a newer build waits for that build, too, and not for an operator.
  test internal/engine/models_parking_test.go TestWhatComesBehindAnInputForANewerBinary
rule UNREADABLE_WAITS breaks nothing_stays
  A redriven input that this build cannot read is parked again: it may be the start itself, and must not wait for it.
  test internal/sim/found_test.go TestFindings
rule LATE_MARK breaks rows_are_counted
  An input that was moved to its instance's queue meanwhile is not put back among those of no instance.
  test internal/sim/found_test.go TestFindings
rule BLIND_ESCALATION breaks nothing_stays
  An escalation marks what still waits, and not what was parked meanwhile.
  test internal/sim/found_test.go TestFindings
rule NO_GUARD breaks decided_once
  A queued or decided input is neither queued nor decided again.
  test internal/engine/engine_test.go TestOneDecisionHoweverOftenAndByWhomeverHandedIn
rule NO_DRAIN breaks nothing_stays
  What is redriven is run by whichever process drains.
  test internal/engine/engine_test.go TestAStartThatFailsHoldsItsInstanceBack
*/

#define N 3
#define OLD 0
#define NEW 1
#define WATCH 2

mtype = { out, waiting, parked, redriven, newer, aside, aside_redriven };       /* an input's place in a queue; out: in none */
mtype = { decide_it, wait_it, park_it, newer_it, aside_it };                    /* what a plan does with its input */

hidden byte order_is_kept, nothing_stays, newer_state_is_left_alone, only_failures_need_people, rows_are_counted, decided_once;

/* The store. */
bool started, newer_state;
byte queued;                            /* as the instance's row counts */
mtype queue[4] = out;
bool decided[4], was_aside[4], told;
byte fresh;                             /* bit p: process p has read the instance as it is */

/* The story: which input is the start, which one fails until the fix, which one the older build cannot read. */
byte start, failing, odd;
byte at[2];                             /* up to where a process has handed in */

/* How often a process dies or the bus repeats, and how often the older build is faster at what only the newer one can
   read: in runs for liveness LIVE is 1. */
#ifdef LIVE
byte troubles = 0, faster = LIVE;
#else
byte troubles = 1, faster = 1;
#endif

#define BIT(n) (1 << (n))
#define READABLE(n, i) (!(n == OLD && i == odd))
#define CAN(n, i) (READABLE(n, i) || faster > 0)
#define MINE(i) (queue[i] == waiting || queue[i] == parked || queue[i] == redriven || queue[i] == newer)
#define BLOCKS(i) (queue[i] == parked || queue[i] == redriven || queue[i] == newer)
#define TO_DRAIN(i) (queue[i] == redriven || queue[i] == newer)
#ifdef NEWER_IS_NOT_DRAINED
#define DRAINED(i) (queue[i] == redriven)
#else
#define DRAINED(i) TO_DRAIN(i)
#endif
#define BEFORE(j, i) (j >= i || j == start || decided[j] || was_aside[j])

inline changed() {
	fresh = 0;
	assert(queued == MINE(1) + MINE(2) + MINE(3) || rows_are_counted)
}

/* saga.Step ran: the decision and the state are one. */
inline decided_by(n, i) {
	assert(!decided[i] || decided_once);
	assert((n == NEW || !newer_state) || newer_state_is_left_alone);
	assert(i == start || (BEFORE(1, i) && BEFORE(2, i) && BEFORE(3, i)) || order_is_kept);
	decided[i] = true; started = started || (i == start); newer_state = newer_state || (n == NEW)
}

inline take(i) { queue[i] = out; queued-- }

inline add(i, how) { queue[i] = how; queued++ }

/* engine.chain, over what stands before the first parked input; from the start of the queue to its end. */
inline chain(n, j, stopped) {
	j = 1; stopped = false;
	do
	:: j > N || queue[j] == parked -> break
	:: j <= N && !MINE(j) -> j++
	:: j <= N && MINE(j) && queue[j] != parked && stopped ->
		queue[j] = parked; j++
	:: j <= N && MINE(j) && queue[j] != parked && !stopped && j != failing && READABLE(n, j) ->
		take(j); decided_by(n, j); j++
	:: j <= N && MINE(j) && queue[j] != parked && !stopped && !(j != failing && READABLE(n, j)) ->
		queue[j] = parked; stopped = true; j++
	od;
	j = 0; stopped = false
}

/* engine.consider. */
inline consider() {
	fresh = fresh | BIT(n);
	if
	:: !READABLE(n, i) -> plan = aside_it
#ifdef OLDER_OVERWRITES
	:: false -> skip
#else
	:: READABLE(n, i) && newer_state && n == OLD -> plan = newer_it
#endif
	:: else ->
		j = 1;
		do
		:: j <= N && !BLOCKS(j) -> j++
		:: else -> break
		od;
		if
#ifndef PASS_THE_PARKED
		:: j <= N ->
#ifdef PARKED_BEHIND_NEWER
			plan = park_it;
			assert(queue[j] != newer || decided[i] || queue[i] != out || only_failures_need_people)
#else
			plan = (queue[j] == newer -> newer_it : park_it)
#endif
		:: j > N && i == failing -> plan = park_it
		:: j > N && i != failing && !started && i != start -> plan = wait_it
		:: j > N && i != failing && (started || i == start) -> plan = decide_it
#else
		:: i == failing -> plan = park_it
		:: i != failing && !started && i != start -> plan = wait_it
		:: i != failing && (started || i == start) -> plan = decide_it
#endif
		fi;
		j = 0
	fi
}

#ifdef NO_REVISION
#define FRESH true
#else
#define FRESH (fresh & BIT(n))
#endif

/* engine.commit: done already, a conflict, or stored. */
inline commit() {
	if
#ifdef NO_GUARD
	:: queue[i] != out ->
		at[n] = i
#else
	:: decided[i] || queue[i] != out ->
		at[n] = i                                       /* AlreadyDone */
#endif
	:: else ->
		if
		:: plan == aside_it -> queue[i] = aside; was_aside[i] = true; at[n] = i
#ifdef WAIT_WITHOUT_A_ROW
		:: plan == wait_it -> add(i, waiting); changed(); at[n] = i
		:: plan != aside_it && plan != wait_it && !FRESH
		:: plan != aside_it && plan != wait_it && FRESH ->
#else
		:: plan != aside_it && !FRESH                   /* Conflict: it is considered again */
		:: plan != aside_it && FRESH ->
#endif
			if
			:: plan == decide_it ->
				decided_by(n, i);
#ifndef START_ALONE
				if
				:: i == start -> chain(n, j, stopped)
				:: else
				fi
#endif
			:: plan == wait_it -> add(i, waiting)
			:: plan == park_it -> add(i, parked)
			:: plan == newer_it -> add(i, newer)
			fi;
			changed();
			at[n] = i
		fi
	fi;
	i = 0; plan = 0; fresh = fresh & ~BIT(n)
}

/* engine.Handle, for each input of the key in turn: read, and commit what that led to, or begin anew. */
proctype Hand(byte n) {
	byte i, j;
	bool stopped;
	mtype plan;
end:
	do
	:: atomic { at[n] < N && plan == 0 -> i = at[n] + 1; consider() }
	:: atomic { at[n] < N && plan != 0 -> commit() }
	:: atomic { troubles > 0 && at[n] > 0 -> troubles--; at[n] = 0; i = 0; plan = 0; fresh = fresh & ~BIT(n) }     /* it dies, or the bus repeats */
	od
}

inline tries(k) {
	if
	:: !READABLE(n, k) -> faster--
	:: else
	fi
}

/* engine.Drain: what is redriven, and what waited for a newer build. Read and commit are one step here: a conflict
   changes nothing, and is tried again. */
proctype Drain(byte n) {
	byte j;
	bool stopped, unread;
end:
	do
	:: atomic { (DRAINED(1) || DRAINED(2) || DRAINED(3)) && !(newer_state && n == OLD) && (odd == 0 || !TO_DRAIN(odd) || CAN(n, odd)) ->
		if
		:: odd != 0 && TO_DRAIN(odd) -> tries(odd)
		:: else
		fi;
		if
		:: started -> chain(n, j, stopped); changed()
		:: !started && TO_DRAIN(start) && READABLE(n, start) && start != failing ->
			take(start); decided_by(n, start); chain(n, j, stopped); changed()
		:: !started && TO_DRAIN(start) && READABLE(n, start) && start == failing ->     /* parkAgain */
			j = 1;
			do
			:: j <= N && (j == start || queue[j] == redriven) -> queue[j] = parked; j++
			:: j <= N && !(j == start || queue[j] == redriven) -> j++
			:: else -> break
			od;
			j = 0;
			changed()
		:: !started && !(TO_DRAIN(start) && READABLE(n, start)) ->                      /* backToWaiting */
			j = 1;
			do
			:: j <= N && TO_DRAIN(j) ->
#ifdef UNREADABLE_WAITS
				queue[j] = waiting;
#else
				queue[j] = (READABLE(n, j) -> waiting : parked);
#endif
				j++
			:: j <= N && !TO_DRAIN(j) -> j++
			:: else -> break
			od;
			j = 0;
			changed()
		fi }
	od
}

inline putIn() {
	atomic {
		if
		:: READABLE(n, j) && queue[j] == aside_redriven -> add(j, redriven); changed()
		:: !READABLE(n, j) && queue[j] == aside_redriven -> queue[j] = aside
#ifdef LATE_MARK
		:: !READABLE(n, j) && queue[j] != aside_redriven && queue[j] != out -> queue[j] = aside; changed()
#endif
		:: else
		fi;
		j = 0
	}
}

/* engine.route: what belonged to no instance is routed anew. */
proctype Route(byte n) {
	byte j;
end:
	do
	:: atomic { queue[1] == aside_redriven && CAN(n, 1) -> j = 1; tries(1) } putIn()
	:: atomic { queue[2] == aside_redriven && CAN(n, 2) -> j = 2; tries(2) } putIn()
	:: atomic { queue[3] == aside_redriven && CAN(n, 3) -> j = 3; tries(3) } putIn()
	od
}

inline redrive(i) {
	if
	:: queue[i] == parked -> queue[i] = redriven
	:: else
	fi
}

/* engine.Redrive, by somebody who does so while anything is parked, and a fix that comes at last. */
proctype People() {
end:
	do
	:: atomic { queue[1] == parked || queue[2] == parked || queue[3] == parked ->
		redrive(1); redrive(2); redrive(3); changed();
#ifdef LIVE
		failing = 0                     /* in the runs for liveness the fix comes first, and nothing is escalated */
#endif
		}
	:: atomic { queue[1] == aside -> queue[1] = aside_redriven }
	:: atomic { queue[2] == aside -> queue[2] = aside_redriven }
	:: atomic { queue[3] == aside -> queue[3] = aside_redriven }
	od
}

proctype Fix() { atomic { failing = 0; fresh = 0 } }

inline tell() {
	atomic {
		if
#ifdef BLIND_ESCALATION
		:: queue[j] != out -> queue[j] = waiting; told = true; changed()
#else
		:: fresh & BIT(WATCH) -> queue[j] = waiting; told = true; changed()
#endif
		:: else
		fi;
		j = 0; fresh = fresh & ~BIT(WATCH)
	}
}

/* engine.Overdue: says once of what waits that it waits for long. */
proctype Escalation() {
	byte j;
end:
	do
	:: atomic { !started && queue[1] == waiting && !told -> j = 1; fresh = fresh | BIT(WATCH) } tell()
	:: atomic { !started && queue[2] == waiting && !told -> j = 2; fresh = fresh | BIT(WATCH) } tell()
	:: atomic { !started && queue[3] == waiting && !told -> j = 3; fresh = fresh | BIT(WATCH) } tell()
	od
}

/* When nothing moves any more, nothing is left behind. */
active proctype Judge() {
	timeout;
	assert((decided[1] && decided[2] && decided[3] && queued == 0) || nothing_stays)
}

init {
	atomic {
		select(start : 1 .. N); select(failing : 0 .. N); select(odd : 0 .. N);
		run Hand(OLD); run Hand(NEW);
#ifndef NO_DRAIN
		run Drain(OLD); run Drain(NEW);
#endif
		run Route(OLD); run Route(NEW);
		run People();
#ifndef LIVE
		run Fix(); run Escalation()
#endif
	}
}

ltl everything_is_decided { <> [] (decided[1] && decided[2] && decided[3] && queued == 0) }
