// Package lifecycle is the life of a command, as changes of its row: how it is born, joined by who asks again, claimed,
// tried, withdrawn from, and ended. Every function is pure; what it returns is judged by the store against the revision
// of the row it was made from, so of two that race one wins and the other reads again.
//
//	          claim                 answer
//	pending ────────▶ claimed ────────────────▶ done
//	   ▲                 │  no answer              ▲
//	   │ no effect       ▼                         │
//	   └──────────── (retry)   unknown ────────────┘ answer, look-up, or nobody can tell
//
// A command that nobody wants any more is cancelled if it is pending; else it is abandoned, and ends when it is answered.
package lifecycle
