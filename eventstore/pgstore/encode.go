package pgstore

import (
	sqldriver "database/sql/driver"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// elements are the element types of hooksaga_commit's parameters, in their order. The encoder numbers its columns alike.
var elements = [...]uint32{
	oidInt4, oidBytea, oidBytea, oidInt2, oidInt8, oidInt4, oidInt4, // e_batch key hash known expect stream nth
	oidText, oidText, oidText, oidText, oidTimestamptz, oidText, // e_id source type subject time correlation
	oidText, oidText, oidInt4, oidInt4, // e_causation to from till
	oidText, oidInt4, // s_name count
	oidInt4, oidInt8, oidText, oidText, oidText, oidText, oidBool, // i_batch revision id saga key status terminal
	oidInt4, oidText, oidInt4, oidText, // i_definition phase queued correlation
	oidInt8,                                                        // i_stuck
	oidInt4, oidInt2, oidText, oidBytea, oidText, oidText, oidInt8, // q_batch op guard key saga instance position
	oidText, oidText, oidInt4, oidBool, // q_reason error attempts redriven
	oidInt4, oidInt2, oidText, oidText, oidText, oidText, oidText, // t_batch op id saga instance name armed
	oidTimestamptz, oidInt8, // t_due after
	oidInt4, oidInt8, oidText, oidText, oidBool, oidBytea, // c_batch revision id name money args_hash
	oidText, oidText, oidInt8, oidInt4, oidInt4, // c_status outcome fence attempts askers
	oidText, oidText, oidText, oidText, oidInt8, oidInt8, // c_error correlation causation subject due lease
	oidBool, oidBool, // c_abandon rescue
	oidInt4, oidText, oidText, oidText, oidText, oidText, // a_batch command instance cause correlation state
	oidInt4, oidText, // x_batch saga
	0,                                                          // p_judge, which is no array
	oidBytea, oidBytea, oidBytea, oidBytea, oidBytea, oidBytea, // c_args c_request c_result i_progress i_state e_body
}

// Where each kind's columns begin.
const (
	eventColumns    = 0
	streamColumns   = 17
	instanceColumns = 19
	queueColumns    = 31
	timerColumns    = 42
	commandColumns  = 51
	askerColumns    = 70
	activeColumns   = 76
	judgeColumn     = 78
	argsColumn      = 79 // the long ones
	requestColumn   = 80
	resultColumn    = 81
	progressColumn  = 82
	stateColumn     = 83
	bodyColumn      = 84
	parameters      = 85
)

// An encoder turns batches into the arguments of hooksaga_commit. It is reused from call to call, and with it its
// buffers; what args returned is overwritten by the next encode.
type encoder struct {
	columns [parameters]array
	values  [parameters]sqldriver.NamedValue
	streams map[string]int32 // name: its number in s_name, from 1
	counts  []int32          // events per stream
	expects bool             // some event expects a version
	numbers []numbered       // of each event: which stream's, which of the stream
	judge   bool             // something has to be judged before anything is stored
	lost    bool             // the last call has lost something, as the next may: so it is judged at once
}

type numbered struct {
	stream int32
	nth    int32
}

func (c *encoder) encode(batches []driver.Batch) {
	for i := range c.columns {
		c.columns[i].reset()
	}
	if c.streams == nil {
		c.streams = make(map[string]int32)
	}
	clear(c.streams)
	c.counts, c.numbers, c.expects, c.judge = c.counts[:0], c.numbers[:0], false, c.lost
	for i := range batches {
		b, n := &batches[i], int32(i+1)
		for j := range b.Events {
			c.event(n, &b.Events[j])
		}
		for j := range b.Instances {
			c.instance(n, &b.Instances[j])
		}
		for j := range b.Queue {
			c.queue(n, &b.Queue[j])
		}
		for j := range b.Timers {
			c.timer(n, b.Timers, j)
		}
		for j := range b.Commands {
			c.command(n, &b.Commands[j])
		}
		for j := range b.Askers {
			c.asker(n, b.Askers, j)
		}
		if b.Activate != "" {
			c.judge = true
			c.columns[activeColumns].int4(n)
			c.columns[activeColumns+1].text(b.Activate)
		}
	}
	for _, n := range c.counts {
		c.columns[streamColumns+1].int4(n)
	}
	if !c.expects {
		c.columns[eventColumns+4].reset()
	}
}

// args returns the arguments; what has no rows is null, which costs the server nothing.
func (c *encoder) args() []sqldriver.NamedValue {
	for i := range c.columns {
		c.values[i] = sqldriver.NamedValue{Ordinal: i + 1, Value: c.columns[i].arg(elements[i])}
	}
	c.values[judgeColumn].Value = []byte{0}
	if c.judge {
		c.values[judgeColumn].Value = []byte{1}
	}
	return c.values[:]
}

// size is how many bytes the arguments have.
func (c *encoder) size() (n int) {
	for i := range c.columns {
		n += len(c.columns[i].buf)
	}
	return n
}

func (c *encoder) event(batch int32, a *driver.Append) {
	e, col := &a.Event, c.columns[eventColumns:streamColumns]
	stream, there := c.streams[e.Stream]
	if !there {
		c.columns[streamColumns].text(e.Stream)
		c.counts = append(c.counts, 0)
		stream = int32(len(c.counts))
		c.streams[e.Stream] = stream
	}
	c.counts[stream-1]++
	nth := c.counts[stream-1]
	c.numbers = append(c.numbers, numbered{stream, nth})
	c.expects = c.expects || a.Expect >= 0
	c.judge = c.judge || a.Expect >= 0
	key, hash := a.Key(), a.Hash()
	col[0].int4(batch)
	col[1].bytes(key[:])
	col[2].bytes(hash[:len(driver.Key{})])
	col[3].int2(int16(a.OnKnown))
	col[4].int8(a.Expect)
	col[5].int4(stream)
	col[6].int4(nth)
	col[7].text(e.ID)
	col[8].text(e.Source)
	col[9].text(e.Type)
	col[10].text(e.Subject)
	col[11].time(e.Time)
	col[12].text(e.CorrelationID)
	col[13].text(e.CausationID)
	col[14].text(e.To)
	col[15].int4(int32(e.Typed.From))
	col[16].int4(int32(e.Typed.To))
	c.columns[bodyColumn].bytes(e.Body)
}

func (c *encoder) instance(batch int32, ch *driver.InstanceChange) {
	i, col := &ch.Instance, c.columns[instanceColumns:queueColumns]
	col[0].int4(batch)
	col[1].int8(ch.Revision)
	col[2].text(i.ID)
	col[3].text(i.Saga)
	col[4].text(i.Key)
	col[5].text(i.Status)
	col[6].bool(i.Terminal)
	col[7].int4(int32(i.Definition))
	col[8].text(i.Phase)
	col[9].int4(int32(i.Queued))
	col[10].text(i.CorrelationID)
	col[11].duration(ch.StuckAfter)
	c.columns[stateColumn].bytesOrNull(i.State)
	c.columns[progressColumn].bytesOrNull(i.Progress)
}

func (c *encoder) queue(batch int32, ch *driver.QueueChange) {
	c.judge = c.judge || ch.Op != driver.QueueAbsent
	q, col := &ch.Input, c.columns[queueColumns:timerColumns]
	col[0].int4(batch)
	col[1].int2(int16(ch.Op))
	col[2].text(q.Guard)
	if ch.Op == driver.QueueAdd { // the decision's key, should there be one
		key := driver.DedupeKey(driver.Self, q.Guard)
		col[3].bytes(key[:])
	} else {
		col[3].null()
	}
	col[4].text(q.Saga)
	col[5].text(q.Instance)
	col[6].int8(int64(q.Position))
	col[7].text(q.Reason)
	col[8].text(q.Error)
	col[9].int4(int32(q.Attempts))
	col[10].bool(q.Redriven)
}

// timer leaves out what a later change of the same batch to the same timer makes void, as the function removes first
// and then arms.
func (c *encoder) timer(batch int32, changes []driver.TimerChange, at int) {
	ch, col := &changes[at], c.columns[timerColumns:commandColumns]
	later := slices.ContainsFunc(changes[at+1:], func(l driver.TimerChange) bool { return l.Timer.ID == ch.Timer.ID })
	if later && ch.Op == driver.TimerArm {
		return
	}
	c.judge = c.judge || ch.Op == driver.TimerFire
	t := &ch.Timer
	col[0].int4(batch)
	col[1].int2(int16(ch.Op))
	col[2].text(t.ID)
	col[3].text(t.Saga)
	col[4].text(t.Instance)
	col[5].text(t.Name)
	col[6].text(t.Armed)
	col[7].time(t.Due)
	col[8].duration(ch.After)
}

func (c *encoder) command(batch int32, ch *driver.CommandChange) {
	cmd, col := &ch.Command, c.columns[commandColumns:askerColumns]
	col[0].int4(batch)
	col[1].int8(ch.Revision)
	col[2].text(cmd.ID)
	col[3].text(cmd.Name)
	col[4].bool(cmd.Money)
	col[5].bytes(cmd.ArgsHash[:])
	col[6].text(cmd.Status)
	col[7].text(cmd.Outcome)
	col[8].int8(cmd.Fence)
	col[9].int4(int32(cmd.Attempts))
	col[10].int4(int32(cmd.Askers))
	col[11].text(cmd.LastErr)
	col[12].text(cmd.CorrelationID)
	col[13].text(cmd.CausationID)
	col[14].text(cmd.Subject)
	col[15].duration(ch.DueIn)
	col[16].duration(ch.Lease)
	col[17].bool(ch.Abandon)
	col[18].bool(ch.Rescue)
	c.columns[argsColumn].bytesOrNull(cmd.Args)
	c.columns[requestColumn].bytesOrNull(cmd.Request)
	c.columns[resultColumn].bytesOrNull(cmd.Result)
}

// asker leaves out one that the batch names again later: one statement cannot change a row twice.
func (c *encoder) asker(batch int32, askers []driver.Asker, at int) {
	a, col := &askers[at], c.columns[askerColumns:activeColumns]
	for _, l := range askers[at+1:] {
		if l.Command == a.Command && l.Instance == a.Instance && l.Cause == a.Cause {
			return
		}
	}
	col[0].int4(batch)
	col[1].text(a.Command)
	col[2].text(a.Instance)
	col[3].text(a.Cause)
	col[4].text(a.CorrelationID)
	col[5].text(a.State)
}
