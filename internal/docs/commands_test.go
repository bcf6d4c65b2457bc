package docs_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/sagas"
)

// Every command line of ours that a page shows exists, with its flags: asked for help, the binary knows it.
func TestCommandsInPagesExist(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile("`((?:[A-Z_]+=\\S* )?hooksaga [^`]+)`")
	seen := map[string]bool{}
	for _, name := range pages(t) {
		page := read(t, name)
		var lines []string
		for _, b := range blocks(page) {
			if b.language == "" || b.language == "sh" {
				lines = append(lines, strings.Split(b.text, "\n")...)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(page, -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line = assignment.ReplaceAllString(strings.TrimSpace(line), "")
			args, ours := strings.CutPrefix(line, "hooksaga ")
			if !ours || seen[args] {
				continue
			}
			seen[args] = true
			if err := help(t, words(args)); err != nil {
				t.Errorf("%s: hooksaga %s: %v", name, args, err)
			}
		}
	}
	for _, wrong := range []string{"nonsense", "sagas nonsense", "serve --nonsense"} {
		if help(t, words(wrong)) == nil {
			t.Errorf("hooksaga %s is taken for a command", wrong)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d commands were found: the pages are written otherwise than this test reads them", len(seen))
	}
}

// assignment is a variable that is set for one command.
var assignment = regexp.MustCompile(`^(?:[A-Z_]+=\S* )+`)

// help asks for the help of a command line. What is no command is answered with the help of a group of commands.
func help(t *testing.T, args []string) error {
	t.Helper()
	var out bytes.Buffer
	err := hooksaga.Run(t.Context(), hooksaga.Sagas(sagas.All()...), hooksaga.Environ(), hooksaga.Output(&out, &out),
		hooksaga.Args(append(args, "--help")...))
	if err == nil && strings.Contains(out.String(), "Available Commands:") {
		return errors.New("no such command")
	}
	return err
}

// words splits a command line as a shell would where there are no quotes but single ones.
func words(line string) (out []string) {
	line, _, _ = strings.Cut(line, " # ")
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// Every target of make that a page names is in the Makefile.
func TestTargetsInPagesExist(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	target := regexp.MustCompile("(?:`|```\n|# [^\n]*\n)make ([a-z0-9-]+)")
	for _, name := range pages(t) {
		for _, m := range target.FindAllStringSubmatch(read(t, name), -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which is no target", name, m[1])
			}
		}
	}
}
