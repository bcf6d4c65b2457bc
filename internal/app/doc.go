// Package app wires a hooksaga process: it opens the store, builds what the configured roles need, runs the loops, and
// stops them in order. Everything that is decided here is decided by configuration; what is done is done elsewhere.
//
// A process stops from the outside in: it takes no further webhooks, lets the handlers that are running finish, lets
// calls to gateways end, and closes the store. What does not end in time is resumed by another process, from the store.
package app
