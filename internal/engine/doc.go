// Package engine runs sagas: it takes stored events, asks the saga what each means for the instance that it is about,
// and stores the answer in one commit with everything that it releases.
//
// Handle is idempotent: an input is decided, or queued, once, whoever hands it in and however often. So several may hand
// in the same inputs at the same time, which is what makes the bus a mere hint:
//
//   - Sweep follows the store in position order from the saga's watermark, in lanes by key, and moves the watermark on.
//     On the in-process bus it is the only way that inputs come; with Kafka it comes after, and finds what is missing.
//   - Hints takes Kafka records, reads the events they name from the store, and hands those in.
//   - Drain runs queued inputs again: redriven ones, and those that waited for a newer binary.
//
// What cannot be decided now is queued with its instance: an input whose instance has not started waits; one that
// failed is parked, and so is everything of that instance after it. What cannot be routed at all is queued on its own.
// Conflicts and store errors never park: the one is decided again, the other handed in again.
package engine
