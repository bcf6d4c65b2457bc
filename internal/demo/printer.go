package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The columns of a timeline, made for terminals of 100.
const (
	width     = 100
	timeWidth = 7
	kindWidth = 8
	whatWidth = 29
	indent    = timeWidth + 2 + kindWidth + 1 + whatWidth + 1
)

// printer lays out what is shown. What cannot be written is lost: the checks do not depend on it.
type printer struct {
	to    io.Writer
	color bool
}

func (p printer) line(s string) { _, _ = fmt.Fprintln(p.to, s) }
func (p printer) blank()        { p.line("") }

// The colours, by what they are for (ECMA-48, select graphic rendition).
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
)

func (p printer) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p printer) title(number int, s string) {
	p.blank()
	p.line(p.paint(bold, fmt.Sprintf("%d. %s", number, s)))
}

func (p printer) ok(number int, held string) {
	p.line(p.paint(green, fmt.Sprintf("ok %d", number)) + " " + held)
}

func (p printer) failed(number int, title string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	p.line(p.paint(red, fmt.Sprintf("not ok %d", number)) + " " + title + ": " + text)
}

// row writes one line of a timeline and, where the last column is full, its continuation.
func (p printer) row(when string, r row) {
	lines := wrap(r.why, width-indent)
	p.line(strings.TrimRight(p.paint(faint, fmt.Sprintf("%*s", timeWidth, when))+
		fmt.Sprintf("  %-*s %-*s %s", kindWidth, r.kind, whatWidth, cut(r.what, whatWidth), lines[0]), " "))
	for _, l := range lines[1:] {
		p.line(strings.Repeat(" ", indent) + l)
	}
}

// since is a time after the beginning of a story.
func since(d time.Duration) string {
	if d = max(d, 0); d < time.Second {
		return fmt.Sprintf("+%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("+%.2f s", d.Seconds())
}

// wrap breaks a text between words. There is at least one line.
func wrap(s string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
