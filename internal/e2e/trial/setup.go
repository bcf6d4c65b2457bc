package trial

import (
	"flag"
	"fmt"
)

// Setup is what the program runs on: -store and -bus.
type Setup struct{ Store, Bus string }

// The values of -store and -bus.
const (
	SQLite    = "sqlite"
	Postgres  = "postgres"
	InProcess = "inprocess"
	Kafka     = "kafka"
)

// Parse reads a command's arguments: its own flags, and the two of the set-up. There are no others.
func (s *Setup) Parse(flags *flag.FlagSet, args []string) error {
	flags.StringVar(&s.Store, "store", SQLite, "event store: sqlite or postgres")
	flags.StringVar(&s.Bus, "bus", InProcess, "bus: inprocess or kafka")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.Store != SQLite && s.Store != Postgres:
		return fmt.Errorf("-store is %q; allowed are %s, %s", s.Store, SQLite, Postgres)
	case s.Bus != InProcess && s.Bus != Kafka:
		return fmt.Errorf("-bus is %q; allowed are %s, %s", s.Bus, InProcess, Kafka)
	}
	return nil
}
