package bus

import (
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
)

// HeaderUnreadable marks a message whose record could not be read; its value says why. ParseHint refuses it.
const HeaderUnreadable = "hooksaga_unreadable"

// Hint says which stored event a message is about. Nothing in it is to be believed before the store confirms it: the
// event at Position must have this Source and ID, and the store this StoreID and Epoch.
type Hint struct {
	Position   eventstore.Position
	Source, ID string
	StoreID    string
	Epoch      int64
}

// ParseHint reads the hint in a message. Its error matches ErrNoHint and is for ever: the message says the same when it
// is delivered again, so count it and Ack. The error holds nothing of the message but header names.
func ParseHint(m *message.Message) (Hint, error) {
	if m.Metadata.Get(HeaderUnreadable) != "" {
		return Hint{}, fmt.Errorf("%w: unreadable record", ErrNoHint)
	}
	h := Hint{Source: m.Metadata.Get(HeaderSource), ID: m.Metadata.Get(HeaderID), StoreID: m.Metadata.Get(HeaderStoreID)}
	for _, need := range [...]struct{ name, value string }{
		{HeaderSource, h.Source}, {HeaderID, h.ID}, {HeaderStoreID, h.StoreID},
	} {
		if need.value == "" {
			return Hint{}, fmt.Errorf("%w: no %s", ErrNoHint, need.name)
		}
	}
	position, err := strconv.ParseInt(m.Metadata.Get(HeaderPosition), 10, 64)
	if err != nil || position < 1 {
		return Hint{}, fmt.Errorf("%w: bad %s", ErrNoHint, HeaderPosition)
	}
	h.Position = eventstore.Position(position)
	if h.Epoch, err = strconv.ParseInt(m.Metadata.Get(HeaderEpoch), 10, 64); err != nil || h.Epoch < 0 {
		return Hint{}, fmt.Errorf("%w: bad %s", ErrNoHint, HeaderEpoch)
	}
	return h, nil
}
