package pgstore

import (
	sqldriver "database/sql/driver"
	"encoding/binary"
	"math"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Type oids of array elements, from pg_type.dat of the Postgres source; they are the same in every server.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidTimestamptz = 1184
)

// An array is a one-dimensional array in the binary wire format of array_recv: number of dimensions, whether there are
// nulls, element type, length, lower bound; then for each element its length and its bytes. lib/pq sends a []byte in
// binary (binary_parameters=yes), so a body crosses the wire as it is, neither escaped nor doubled. The buffer is reused.
type array struct {
	buf   []byte
	n     uint32
	nulls bool
}

const arrayHeader = 20

func (a *array) reset() {
	if cap(a.buf) < arrayHeader {
		a.buf = make([]byte, arrayHeader, 512)
	}
	a.buf, a.n, a.nulls = a.buf[:arrayHeader], 0, false
}

// arg is the array as a query's argument: null if it has no elements. It is valid until the next reset.
func (a *array) arg(elem uint32) sqldriver.Value {
	if a.n == 0 {
		return nil
	}
	nulls := uint32(0)
	if a.nulls {
		nulls = 1
	}
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[4:], nulls)
	binary.BigEndian.PutUint32(a.buf[8:], elem)
	binary.BigEndian.PutUint32(a.buf[12:], a.n)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	return a.buf
}

func (a *array) null() {
	a.n++
	a.nulls = true
	a.buf = append(a.buf, 0xff, 0xff, 0xff, 0xff)
}

func (a *array) text(s string) {
	a.n++
	a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(s))), s...)
}

func (a *array) bytes(b []byte) {
	a.n++
	a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(b))), b...)
}

// bytesOrNull keeps the difference between no bytes and nil.
func (a *array) bytesOrNull(b []byte) {
	if b == nil {
		a.null()
		return
	}
	a.bytes(b)
}

func (a *array) int8(v int64) {
	a.n++
	a.buf = binary.BigEndian.AppendUint64(append(a.buf, 0, 0, 0, 8), uint64(v))
}

func (a *array) int4(v int32) {
	a.n++
	a.buf = binary.BigEndian.AppendUint32(append(a.buf, 0, 0, 0, 4), uint32(v))
}

func (a *array) int2(v int16) {
	a.n++
	a.buf = binary.BigEndian.AppendUint16(append(a.buf, 0, 0, 0, 2), uint16(v))
}

func (a *array) bool(v bool) {
	a.n++
	b := byte(0)
	if v {
		b = 1
	}
	a.buf = append(a.buf, 0, 0, 0, 1, b)
}

// epoch2000 is where Postgres counts from: 2000-01-01 00:00 UTC, in microseconds of the Unix epoch.
const epoch2000 = 946684800_000_000

// time stores the zero time as null. Postgres keeps microseconds; what is finer is cut off.
func (a *array) time(t time.Time) {
	if t.IsZero() {
		a.null()
		return
	}
	if y := t.Year(); y < -4712 || y > 294275 {
		a.int8(math.MaxInt64 - 1) // out of Postgres' range: let the server refuse it, instead of wrapping around here
		return
	}
	a.int8(t.UnixMicro() - epoch2000)
}

// duration is in microseconds.
func (a *array) duration(d time.Duration) { a.int8(d.Microseconds()) }

// texts encodes a text[] argument that is used once. It is never null.
func texts(ss []string) []byte {
	var a array
	a.reset()
	for _, s := range ss {
		a.text(s)
	}
	return a.notNull(oidText)
}

// keys encodes a bytea[] argument that is used once. It is never null.
func keys(ks []driver.EventKey) []byte {
	var a array
	a.reset()
	for _, k := range ks {
		a.bytes(k[:])
	}
	return a.notNull(oidBytea)
}

// notNull is arg, but an array without elements is empty rather than null.
func (a *array) notNull(elem uint32) []byte {
	if b, ok := a.arg(elem).([]byte); ok {
		return b
	}
	empty := make([]byte, 12)
	binary.BigEndian.PutUint32(empty[8:], elem)
	return empty
}
