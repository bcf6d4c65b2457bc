// Package sagas holds the sagas that ship with hooksaga, one per file. Each is an ordinary user of package saga, and a
// model for sagas of your own.
//
// Every saga here reaches the same end in whatever order its events arrive, and however often: the tests tell each story
// in every order, and with every event twice.
package sagas
