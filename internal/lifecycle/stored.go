package lifecycle

import (
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Stored is the row that a new command's change was stored as, at recorded: what a claim would have returned.
func Stored(c driver.CommandChange, recorded time.Time) driver.Command {
	row := c.Command
	row.Revision, row.Created, row.Updated = 1, recorded, recorded
	row.Due = recorded.Add(c.DueIn)
	if c.Lease > 0 {
		row.LeaseUntil, row.FirstClaimed = recorded.Add(c.Lease), recorded
		row.Due = row.LeaseUntil
	}
	return row
}
