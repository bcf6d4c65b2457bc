// Package saga is the language in which sagas are written.
//
// A saga is a list of rules, each an event and the function that handles it:
//
//	saga.New("order-payment",
//		saga.Start(orders.Placed, byOrder, placed),
//		saga.OnOutcome(charge.Create.Rejected(), declined),
//		saga.OnTimer(noAnswer, tooLate),
//	)
//
// A handler is pure: it changes the state it is given and writes what it wants done into out. It returns nothing, does no
// I/O and knows no clock but its input's. The payload type follows from the event, the state type from the handlers; no
// type parameter is ever written, and a mismatch does not compile.
//
// # Guarantees
//
// An event is decided once for a saga, for ever, also when it is delivered again, and also after a deploy that routes it
// elsewhere. What a decision changes and asks for is stored in one commit, or none of it is. Inputs of one instance are
// decided one after the other. An input that fails is parked with everything behind it for that instance; other
// instances go on. State is stored, never recomputed, so new code does not break running instances; and an older binary
// leaves alone what a newer one has written.
package saga
