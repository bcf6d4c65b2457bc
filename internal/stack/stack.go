// Package stack gives a new goroutine a stack that is large enough for deep work, at once.
//
// A goroutine begins with a few kilobytes, and when a call needs more, the runtime doubles its stack and copies what is on
// it, frame by frame. One that is made for a single input or command and goes through handler, encoding and commit
// pays for that three times over, at its deepest. Grown while it is shallow, there is next to nothing to copy.
package stack

// room is what Grow asks for: with it the runtime makes stacks of 16 KB, the largest that it keeps ready for each thread.
const room = 8 << 10

// Grow makes the calling goroutine's stack large enough for some 8 KB of frames. Call it first thing on a goroutine.
//
//go:noinline
func Grow() {
	var frame [room]byte
	touch(&frame)
}

// touch keeps the compiler from leaving out a frame that nobody reads.
//
//go:noinline
func touch(frame *[room]byte) { frame[0] = 1 }
