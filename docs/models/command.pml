/*
The life of one money command: two workers that claim it, two instances that ask for it and may take that back, a
gateway that remembers a key for a day, and a network between them that loses and holds back.

Small, and why that is enough: two workers, because everything between workers is about the one whose lease ran out and
the one who has it now; two askers, because "the only one" and "one of several" are all that a withdrawal asks; one
request held back at a time, because two that arrive are two steps of the same kind; three ages, because only the borders
at 23 and 24 hours are looked at. Time is otherwise no number: a lease may end at any moment, and a worker that is not
scheduled is frozen. A fence or revision is a bit, "still mine": that is all it is ever compared for.

Stands for: internal/dispatch and internal/lifecycle over driver.Store.Claim and Commit. See README.md for what is what.

rule NO_FENCE breaks at_most_one_effect
  A result is stored by whoever holds the command, not by whoever once did.
  test internal/dispatch/models_command_test.go TestARefusalOfWhoLostTheLeaseEndsNothing
rule NO_LEASE_CHECK breaks at_most_one_effect
  A call starts only if it can end inside its lease: a worker that wakes a day later does not send.
  test internal/dispatch/lease_test.go TestAWorkerThatWakesLateDoesNotSend
rule KEY_PER_ATTEMPT breaks at_most_one_effect
  Every attempt carries the same key.
  test internal/dispatch/money_test.go TestTheRequestIsFrozenBeforeItIsSent
rule RESEND_FOREVER breaks at_most_one_effect
  Nothing unanswered is sent again after 23 hours.
  test internal/dispatch/money_test.go TestNothingIsSentAgainAfter23Hours
rule FIRST_CLAIM_RESET breaks at_most_one_effect
  The 23 hours count from the first claim, not from the last.
  test internal/dispatch/models_command_test.go TestTheLimitCountsFromTheFirstClaim
rule LOST_IS_NO_EFFECT breaks at_most_one_effect
  A lost answer leaves the command unknown, and not as if it had not been tried.
  test internal/dispatch/lease_test.go TestAnAbandonedCommand
rule ANY_ANSWER_ENDS breaks at_most_one_effect
  While an earlier attempt is unanswered, a refusal that speaks of its own attempt only ends nothing.
  test internal/dispatch/money_test.go TestOnlyTheKeysOwnAnswerEndsWhatIsUnanswered
rule ABSENT_MEANS_FAILED breaks refusals_are_without_effect
  What a look-up does not find may still be on its way: absence ends nothing.
  test internal/dispatch/money_test.go TestAnAbsentEffectEndsNothing
rule EXPIRED_IS_PENDING breaks at_most_one_effect
  A claim whose lease ran out without an answer is unknown: the dead worker may have sent.
  test internal/dispatch/models_command_test.go TestAnExpiredClaimIsNotCancelled
rule CANCEL_CLAIMED breaks refusals_are_without_effect
  Only a pending command is cancelled; one that may be under way is abandoned.
  test internal/engine/commands_test.go TestLateMoneyOfAnAbandonedCommandGoesBack
rule STALE_WITHDRAWAL breaks refusals_are_without_effect
  A withdrawal is judged against the row as it is when it commits.
  test internal/engine/models_command_test.go TestAClaimThatOvertakesTheWithdrawalIsNotCancelled
rule BLIND_CLOSE breaks everybody_is_answered
  An outcome is built from who asks when it commits, not from who asked when the command was claimed.
  test internal/dispatch/lease_test.go TestWhoAsksDuringTheCallIsAnswered
rule NO_COPY breaks everybody_is_answered
  Who asks after the end is answered by the outcome that stands.
  test internal/engine/commands_test.go TestTwoThatAskForOnePaymentAreBothAnswered
rule NO_OUTCOME_ID breaks one_outcome
  The outcome's id is the command's: a commit that is repeated because its answer was lost finds itself.
  test internal/dispatch/lease_test.go TestALostCommitIsRepeated
rule LATE_SUCCESS_IGNORED breaks money_kept_is_wanted
  A success that comes after the instance took its wish back runs its undo.
  test internal/engine/commands_test.go TestLateMoneyOfAnAbandonedCommandGoesBack
rule NO_TAKEOVER breaks every_command_ends
  A lease that ran out is claimed again, by anybody.
  test internal/dispatch/lease_test.go TestAnExpiredClaimIsUnknown
rule NEVER_UNRESOLVED breaks it_ends_and_all_are_answered
  After 23 hours what cannot be found ends as unresolved, and is not looked up for ever.
  test internal/dispatch/money_test.go TestNothingIsSentAgainAfter23Hours
*/

mtype = { absent, pending, claimed, unknown, done };                            /* status of the row */
mtype = { none, succeeded, rejected, failed, cancelled, unresolved };           /* its outcome */
mtype = { unseen, paid, declined, broken_paid, broken_unpaid };                 /* what the gateway keeps under the key */
mtype = { ok, no, bad_request, refused, broken, replayed, lost };               /* an answer, as the worker sees it */
mtype = { open, answered, withdrawn };                                          /* an asker */
mtype = { again, unclear };                                                     /* a verdict that is no outcome */

/* Names of the properties: an assertion that fails is printed with the one it ends in. */
hidden byte at_most_one_effect, refusals_are_without_effect, one_outcome, everybody_is_answered, money_kept_is_wanted, every_command_ends;

/* The row, and who asks. */
mtype status = absent, outcome = none;
bool abandoned, leased;
byte askers, holder;                /* holder: whose claim carries the row's fence; 0 is nobody who is alive */
mtype asker[3] = none, told[3] = none;
bool wants[3];
byte revision;                      /* bit i: asker i has read the row as it is */

/* The world. */
mtype key = unseen;
byte age, wire, effects;            /* age since the first claim: 0 below 23 h, 1 above, 2 above 24 h */
bool tried, refunded;               /* tried: it was claimed once, so that its age counts */

/* Things go wrong without end; in runs for liveness LIVE is 2, which is how often. */
#ifdef LIVE
byte troubles = LIVE;
#define TROUBLE_IF(x) (troubles > 0 && (x)) -> troubles--
#else
#define TROUBLE_IF(x) (x)
#endif
#define TROUBLE TROUBLE_IF(true)

#define REFUSAL(o) (o == rejected || o == failed || o == cancelled)

inline changed() { revision = 0 }

inline effect() {
	effects++;
	assert(effects <= 1 || at_most_one_effect);
	assert(!REFUSAL(outcome) || refusals_are_without_effect)
}

inline execute_anew(answer) {
	if
	:: key = paid; effect(); answer = ok
	:: key = declined; answer = no
	:: TROUBLE; key = broken_paid; effect(); answer = broken
	:: TROUBLE; key = broken_unpaid; answer = broken
	fi
}

/* The gateway gets the request: what is stored under the key is replayed, else it is executed. */
inline execute(answer) {
	if
	:: key == unseen -> execute_anew(answer)
#ifdef KEY_PER_ATTEMPT
	:: key != unseen -> execute_anew(answer)
#else
	:: key == paid -> answer = ok
	:: key == declined -> answer = no
	:: key == broken_paid || key == broken_unpaid -> answer = replayed
#endif
	fi
}

/* The one outcome, and a copy for each that asks: lifecycle.Close. */
inline close(how, seen) {
	assert(outcome == none || one_outcome);
	assert(!(REFUSAL(how) && effects > 0) || refusals_are_without_effect);
	status = done; outcome = how; leased = false; holder = 0;
	if
	:: asker[1] == open && (seen & 1) -> asker[1] = answered; told[1] = how
	:: else
	fi;
	if
	:: asker[2] == open && (seen & 2) -> asker[2] = answered; told[2] = how
	:: else
	fi;
	changed()
}

/* One request, and what the worker hears of it. */
inline call() {
	if
	:: execute(answer);
	   if
	   :: true
	   :: TROUBLE; answer = lost
	   fi
	:: TROUBLE; answer = refused                            /* 401, 429: not executed, nothing kept under the key */
	:: TROUBLE; answer = bad_request                        /* 400 */
	:: TROUBLE; answer = lost                               /* it never arrives */
	:: TROUBLE_IF(wire == 0); wire++; answer = lost           /* it is held back, longer than the worker waits */
	fi
}

/* dispatch.lookUp: what is found ends it; what is not, only when it is not sent any more. */
inline look_up() {
	if
	:: effects > 0 -> verdict = succeeded
	:: effects == 0 && key == declined -> verdict = rejected
	:: effects == 0 && key != declined ->
#if defined(ABSENT_MEANS_FAILED)
		verdict = failed
#elif defined(NEVER_UNRESOLVED)
		verdict = unclear
#else
		verdict = (age > 0 -> unresolved : unclear)
#endif
	:: TROUBLE; verdict = unclear                           /* the look-up fails */
	fi
}

/* dispatch.judge: what the answer means. One that the gateway replays cannot be had otherwise: it is looked up. */
inline judge() {
	if
	:: answer == ok -> verdict = succeeded
	:: answer == no -> verdict = rejected
#ifdef ANY_ANSWER_ENDS
	:: answer == bad_request -> verdict = failed
	:: answer == refused -> verdict = again
#else
	:: answer == bad_request -> verdict = (unanswered -> unclear : failed)
	:: answer == refused -> verdict = (unanswered -> unclear : again)
#endif
	:: answer == broken -> verdict = unclear
	:: answer == replayed -> unanswered = true; look_up()
#ifdef LOST_IS_NO_EFFECT
	:: answer == lost -> verdict = again
#else
	:: answer == lost -> verdict = unclear
#endif
	fi;
	answer = 0
}

/* dispatch.settle and commit: stored under the fence, built from the row as it is. The answer to the commit may be lost;
   then it is repeated. And the worker may die at any moment before. */
inline forget() { unanswered = false; unwanted = false; seen = 0; since = 0; verdict = 0 }

inline settle() {
	do
	:: atomic { TROUBLE;                                    /* it dies */
		if
		:: holder == me -> holder = 0
		:: else
		fi;
		forget(); break }
#ifdef NO_OUTCOME_ID
	:: atomic { holder == me ->
#elif defined(NO_FENCE)
	:: atomic { status != done ->
#else
	:: atomic { holder == me && status != done ->
#endif
		if
		:: verdict == unclear -> status = unknown; leased = false; holder = 0; changed()
#ifdef BLIND_CLOSE
		:: verdict == again && unwanted -> close(cancelled, seen)
		:: verdict == again && !unwanted -> status = pending; leased = false; holder = 0; changed()
		:: verdict != again && verdict != unclear -> close(verdict, seen)
#else
		:: verdict == again && abandoned -> close(cancelled, 3)
		:: verdict == again && !abandoned -> status = pending; leased = false; holder = 0; changed()
		:: verdict != again && verdict != unclear -> close(verdict, 3)
#endif
		fi;
		if
		:: forget(); break
#ifdef NO_OUTCOME_ID
		:: TROUBLE; holder = me
#else
		:: TROUBLE
#endif
		fi }
#ifdef NO_FENCE
	:: atomic { status == done -> forget(); break }
#else
	:: atomic { holder != me || status == done -> forget(); break } /* errFenced, or it finds itself */
#endif
	od
}

proctype Worker(byte me) {
	bool unanswered, unwanted;
	byte seen, since;
	mtype answer, verdict;
end:
	do
	:: atomic { status != absent && status != done && !leased ->            /* driver.Store.Claim */
#ifdef NO_TAKEOVER
		status != claimed;
#endif
		unanswered = (status == unknown
#ifndef EXPIRED_IS_PENDING
			|| status == claimed
#endif
			);
		status = (unanswered -> unknown : claimed);
		leased = true; holder = me; tried = true; unwanted = abandoned;
#ifdef FIRST_CLAIM_RESET
		since = age;
#endif
#ifdef BLIND_CLOSE
		seen = (asker[1] == open) + 2 * (asker[2] == open);
#endif
		changed()
	   }
	   if
	   :: atomic { !unanswered && unwanted -> verdict = again }             /* dispatch.attempt: not wanted any more */
#if defined(RESEND_FOREVER)
	   :: atomic { !(!unanswered && unwanted) ->
#elif defined(FIRST_CLAIM_RESET)
	   :: atomic { unanswered && age > since -> look_up() }
	   :: atomic { !(!unanswered && unwanted) && !(unanswered && age > since) ->
#else
	   :: atomic { unanswered && age > 0 -> look_up() }
	   :: atomic { !(!unanswered && unwanted) && !(unanswered && age > 0) ->
#endif
		if
#ifdef NO_LEASE_CHECK
		:: true ->
#else
		:: holder == me && leased ->                                    /* dispatch.inLease */
#endif
			call(); judge()
#ifndef NO_LEASE_CHECK
		:: else -> verdict = (unanswered -> unclear : again)            /* dispatch.putBack */
#endif
		fi }
	   fi;
	   settle()
	od
}

/* An instance that asks, may take its wish back, and undoes what comes too late. */
proctype Asker(byte me) {
	bool alone, waits;
	atomic {
		me == 1 || status != absent;    /* the first is called 1 */
		wants[me] = true;
		if
		:: status == absent -> status = pending; askers = 1; asker[me] = open                   /* lifecycle.Born */
		:: status != absent && status != done -> askers++; abandoned = false; asker[me] = open  /* lifecycle.Join */
#ifdef NO_COPY
		:: status == done -> asker[me] = open
#else
		:: status == done -> asker[me] = answered; told[me] = outcome                           /* lifecycle.Copy */
#endif
		fi;
		changed()
	}
	if
	:: goto kept
	:: true
	fi;
	do                                                                              /* lifecycle.Withdraw */
	:: atomic { alone = (askers <= 1); waits = (status == pending); revision = revision | me }
#ifdef STALE_WITHDRAWAL
	   atomic {
#else
	   if
	   :: !(revision & me)                                                          /* Conflict: read again */
	   :: atomic { (revision & me) ->
#endif
		wants[me] = false;
		if
		:: status == done
#ifdef CANCEL_CLAIMED
		:: status != done && alone -> close(cancelled, 3)
#else
		:: status != done && alone && waits -> close(cancelled, 3)
		:: status != done && alone && !waits -> abandoned = true; askers = 0; changed()
#endif
		:: status != done && !alone -> askers--; asker[me] = withdrawn; told[me] = cancelled; changed()
		fi;
		break }
#ifndef STALE_WITHDRAWAL
	   fi
#endif
	od;
	atomic { alone = false; waits = false; revision = revision & ~me };
	told[me] != none;
	if
#ifndef LATE_SUCCESS_IGNORED
	:: told[me] == succeeded -> refunded = true
#endif
	:: else
	fi;
kept:
	skip
}

/* Requests that were held back arrive, or do not. */
proctype Wire() {
	mtype ignored;
end:
	do
	:: atomic { wire > 0 -> wire--;
		if
		:: execute(ignored)
		:: true
		fi;
		ignored = 0 }
	od
}

/* Leases end, hours pass, and the gateway forgets a key a day after its first use. Nothing is held back for an hour. */
proctype Clock() {
end:
	do
	:: atomic { leased && holder == 0 -> leased = false }
	:: atomic { TROUBLE_IF(leased && holder != 0); leased = false }
	:: atomic { tried && age == 0 -> age = 1 }
	:: atomic { tried && age == 1 && wire == 0 -> age = 2 }
	:: atomic { TROUBLE_IF(age == 2 && wire == 0 && key != unseen); key = unseen }
	od
}

/* When nothing moves any more, all of this holds. */
active proctype Judge() {
	timeout;
	assert(status == done || every_command_ends);
	assert((asker[1] != open && asker[2] != open) || everybody_is_answered);
	assert((told[1] != none && told[2] != none) || everybody_is_answered);
	assert(!(outcome == succeeded && effects == 1 && !refunded) || (wants[1] && told[1] == succeeded) || (wants[2] && told[2] == succeeded) || money_kept_is_wanted);
	assert(!(outcome == succeeded && effects == 0) || at_most_one_effect)
}

init {
	atomic { run Worker(1); run Worker(2); run Asker(1); run Asker(2); run Wire(); run Clock() }
}

ltl it_ends_and_all_are_answered { [] <> (status == done && told[1] != none && told[2] != none) }
