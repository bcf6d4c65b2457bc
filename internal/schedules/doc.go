// Package schedules holds no code: its tests put the whole product through the schedules under which money is charged
// twice, or an order is forgotten, by systems that look right otherwise. Each test is one schedule, told at its head.
//
// What is about processes (a stop, a kill, a second process) runs the real program as child processes on a real store. What
// is about hours runs the parts of one process step by step, on a clock that the test moves. Between the product and the
// Stripe simulator there is real HTTP in both. Every test of a fault proves that the fault has hit.
package schedules
