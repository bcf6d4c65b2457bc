// Package sagatest tells a saga a story and checks what it did: given, when, then, in plain Go, on a clock of its own.
//
//	sagatest.Given(t, OrderPayment()).
//		Answer(charge.Create.Succeeded().New(receipt)).
//		WhenInAnyOrder(placed, paid).
//		Then(sagatest.Sent(theCharge), sagatest.Instance("o_1", saga.Completed))
//
// # Guarantees
//
// Then compares the whole set of what was done: too much fails as too little does, and a story without Then fails. With
// WhenInAnyOrder the story is told in every order, with every command's answer at every later moment, and all of that
// again for each event told twice under two ids. Time passes only with Wait; timers then fire when they are due. Nothing
// sleeps, and nothing outside the test is touched.
package sagatest
