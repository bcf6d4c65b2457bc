// Package storetest is what every driver.Store must pass: the contract of that interface, one named test for each rule.
// An implementation's test calls Run with a function that makes an empty store.
//
// Where the contract leaves room, the suite holds implementations to this:
//
//   - Queued.Since of an added input is the commit's Recorded time, and QueueMark keeps it. Instance.Created,
//     Instance.Updated, Command.Created and Command.Updated are set by the store, also from Recorded.
//   - Revision of a stored row is that of the change plus one, whatever the row in the change says.
//   - Strings that Postgres could not hold as text (not UTF-8, or with a NUL) are driver.ErrBadData everywhere, and so
//     is a stream's name of 1 MiB; bodies and requests may be any bytes. State, progress and args are JSON, and come
//     back as they were written, with their white space, order and repeated keys.
//   - Times are stored in whole microseconds; the zero time comes back as the zero time.
//   - A body comes back as an empty slice, not nil, when it is empty; a request that is not frozen comes back nil.
//   - When more timers are due than DueTimers may return, it reports a wait of zero.
//   - Activate without effect where the saga's row is there already.
//   - Release of a lease that is not held changes nothing; it may return nil or driver.ErrLeaseLost.
//   - A call on a closed handle returns driver.ErrUnavailable; closing twice is no error. A call whose context has ended
//     returns an error that is driver.ErrUnavailable or the context's.
package storetest
