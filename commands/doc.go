// Package commands names requests to act, routes them to the code that acts, and names what came of them.
//
// A command is stored before anything happens, in the commit of the decision that asks for it. A dispatcher then runs
// its handler until the command has its one outcome: succeeded, rejected (a business no), failed (no effect, not tried
// again), cancelled (before its first attempt) or unresolved (nobody can tell: for people). Everybody who asked hears the
// outcome as an event.
//
// # Guarantees
//
// A handler runs at least once, and its command has exactly one outcome. Handlers must therefore be idempotent in
// Message.ID, which is the same in every attempt; where the receiver honours that key, the command has at most one
// effect.
//
// Commands that move money are stricter. Their arguments are Keyed, so the same movement asked for twice, by whatever
// way, is one command; and their handler is an Effect, whose request is frozen in the store before the first attempt,
// byte for byte, and only ever repeated.
package commands
