// Package demo plays six stories on the real program and checks how each of them ended.
//
// The world outside is here, in this process: a Stripe simulator, a service that receives callbacks, and whoever sends
// webhooks, each behind a loopback socket. The hooksaga that the stories are about is a child process, this program's own
// executable running serve on SQLite and the in-process bus in a directory of its own. What is shown is what that
// process says through its audit API, with the rows of the simulator's ledger and of the receiver between, by time.
//
// Nothing is left behind: the directory is removed, sockets are closed and the child is killed, also when the context
// ends first, and on Linux when this process dies without a chance to do so.
package demo
