// Package hooksaga runs sagas on webhooks: the entry for a main of your own.
//
// A main that runs the built-in sagas is cmd/hooksaga. One with sagas, providers and command handlers of its own differs
// in the options that it gives to Run, and has the whole command line as well.
//
// # Guarantees
//
// Nothing registers itself: a binary runs what its main says and nothing else. Every mistake in a definition or a
// registration is reported, all at once and each with file and line, before anything starts.
package hooksaga
