// Package cli is hooksaga's command line. New builds the commands; what they start (serve, dev, demo, a store) is given
// to them as functions, so that the package knows no database and no bus.
//
// # Output
//
// Data goes to stdout, as a table for people, as one JSON object, or as JSON lines (-o table|json|jsonl); messages go to
// stderr. The JSON is the audit API's (package console). In tables, control characters are escaped: they come from
// outside. A table is cut after 100 rows unless --limit says otherwise, and says so on stderr; JSON is not cut.
//
// Commands that read open the store themselves, beside a running serve.
//
// # Exit codes
//
//	0  done
//	1  error
//	2  usage: an unknown command or flag, a bad argument
//	3  not found: no such event, stream, instance or command
//	4  conflict: somebody else changed it meanwhile; read again
//
// An error is one line that names the cause, and one with the next step.
package cli
