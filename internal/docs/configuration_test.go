package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/config"
)

var update = flag.Bool("update", false, "write the settings into docs/configuration.md")

// The list of settings is the one that config.Describe gives.
func TestConfigurationListsEverySetting(t *testing.T) {
	const name = "docs/configuration.md"
	page := read(t, name)
	head, rest, begins := strings.Cut(page, "-->\n")
	_, tail, ends := strings.Cut(rest, "<!-- end")
	if !begins || !ends {
		t.Fatal("the list has no begin or no end")
	}
	want := head + "-->\n" + settings() + "<!-- end" + tail
	if *update {
		if err := os.WriteFile(filepath.Join(root, name), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("go test ./internal/docs -update writes it:\n%s", diff)
	}
}

func settings() string {
	var b strings.Builder
	b.WriteString("| variable | in the file | flag | default | what it is |\n|---|---|---|---|---|\n")
	quote := func(prefix, s string) string {
		if s == "" {
			return ""
		}
		return "`" + prefix + s + "`"
	}
	for _, k := range config.Describe() {
		flag := quote("--", k.Flag)
		if k.Secret {
			flag = "secret"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", k.Env, k.YAML, flag, quote("", k.Default), k.Text)
	}
	return b.String()
}

// variable is the name of an environment variable of ours.
var variable = regexp.MustCompile(`\b(?:HOOKSAGA_[A-Z_]*[A-Z]|STRIPE_[A-Z_]*[A-Z]|PAYMENTS_MODE|[A-Z]+_WEBHOOK_SECRET)\b`)

// A page names no variable that nothing reads.
func TestVariablesInPagesAreRead(t *testing.T) {
	t.Parallel()
	for _, name := range pages(t) {
		for _, v := range variable.FindAllString(read(t, name), -1) {
			if !config.Known(v) && v != "NAME_WEBHOOK_SECRET" {
				t.Errorf("%s names %s, which nothing reads", name, v)
			}
		}
	}
}
