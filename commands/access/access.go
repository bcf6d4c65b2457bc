package access

import "github.com/hooksaga/hooksaga/commands"

// Holder is whose access it is.
type Holder struct {
	Customer     string `json:"customer"`
	Subscription string `json:"subscription,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

var (
	// Grant asks for access to be given.
	Grant = commands.Define[Holder, commands.None]("grant-access")
	// Cancel asks for access to be ended.
	Cancel = commands.Define[Holder, commands.None]("cancel-access", "CancelAccess")
)
