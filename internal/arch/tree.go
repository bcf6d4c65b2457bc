// Package arch reads hooksaga's own source tree and reports where it breaks the rules that docs/ARCHITECTURE.md states.
// The rules are pure functions from a Tree to Violations, so that each is also tested on sources that break it.
package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of hooksaga's module.
const Module = "github.com/hooksaga/hooksaga"

// Violation is one place that breaks one rule.
type Violation struct {
	At   string // file:line, slash-separated, from the root
	What string
}

func (v Violation) String() string { return v.At + ": " + v.What }

// Tree is a parsed source tree. It is not changed after it is made.
type Tree struct {
	set   *token.FileSet
	files []*File
}

// File is one Go file.
type File struct {
	Path string // slash-separated, from the root
	Dir  string // "." is the root
	Test bool   // ends in _test.go

	Lines     int
	Generated bool
	Syntax    *ast.File
}

// ToolDir reports whether the file is about testing without being a test: a fake in a package named for it, or a program
// that builds and drives the tests.
func (f *File) ToolDir() bool {
	return strings.HasSuffix(f.Dir, "test") || under(f.Dir, "internal/testenv") || under(f.Dir, "internal/e2e") || under(f.Dir, "internal/chaos") || under(f.Dir, "bench")
}

// Imports are the paths the file imports, with the place of each.
func (f *File) Imports() map[string]token.Pos {
	imports := map[string]token.Pos{}
	for _, spec := range f.Syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			imports[p] = spec.Pos()
		}
	}
	return imports
}

// Load parses every Go file below root but those that the go command leaves out too: testdata, vendor, names that begin
// with a dot or an underscore, and modules of their own.
func Load(root string) (*Tree, error) {
	sources := map[string]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != root {
			if base == "testdata" || base == "vendor" || base == "bin" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return fs.SkipDir
			}
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") {
			return nil
		}
		raw, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) { // removed since the directory was read
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		sources[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	return Parse(sources)
}

// Parse makes a tree of sources by path.
func Parse(sources map[string]string) (*Tree, error) {
	t := &Tree{set: token.NewFileSet()}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		syntax, err := parser.ParseFile(t.set, name, sources[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, &File{
			Path:      name,
			Dir:       path.Dir(name),
			Test:      strings.HasSuffix(name, "_test.go"),
			Lines:     strings.Count(strings.TrimSuffix(sources[name], "\n"), "\n") + 1,
			Generated: ast.IsGenerated(syntax),
			Syntax:    syntax,
		})
	}
	return t, nil
}

// at makes a violation of what is found at pos.
func (t *Tree) at(pos token.Pos, format string, args ...any) Violation {
	p := t.set.Position(pos)
	return Violation{At: fmt.Sprintf("%s:%d", p.Filename, p.Line), What: fmt.Sprintf(format, args...)}
}

// packages groups the files that one compilation sees: a directory's package, with its internal tests, and beside it the
// external test package.
func (t *Tree) packages() map[string][]*File {
	groups := map[string][]*File{}
	for _, f := range t.files {
		key := f.Dir + " " + f.Syntax.Name.Name
		groups[key] = append(groups[key], f)
	}
	return groups
}

// resolver says what the identifiers of packages mean, as far as the tree alone can tell.
type resolver struct {
	tree  *Tree
	known map[string]*types.Package // of the tree, by import path
}

func (t *Tree) resolver() *resolver { return &resolver{t, map[string]*types.Package{}} }

// resolve checks the files of one package. Whatever depends on other modules stays unknown.
func (r *resolver) resolve(name string, files []*File) (*types.Package, *types.Info) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Error: func(error) {}, Importer: r, FakeImportC: true}
	var syntax []*ast.File
	for _, f := range files {
		syntax = append(syntax, f.Syntax)
	}
	pkg, _ := config.Check(name, r.tree.set, syntax, info) // the errors are what was not read
	return pkg, info
}

// Import implements types.Importer: packages of the tree are read, an empty one stands in for any other.
func (r *resolver) Import(imported string) (*types.Package, error) {
	if pkg, ok := r.known[imported]; ok {
		return pkg, nil
	}
	pkg := types.NewPackage(imported, guess(imported))
	pkg.MarkComplete()
	r.known[imported] = pkg // also what an import cycle ends on
	var files []*File
	for _, f := range r.tree.files {
		if path.Join(Module, f.Dir) == imported && !f.Test {
			files = append(files, f)
		}
	}
	if len(files) > 0 {
		r.known[imported], _ = r.resolve(imported, files)
	}
	return r.known[imported], nil
}

// guess is the name that a package most likely has: the last element of its path, without version and without saying
// that it is for Go.
func guess(imported string) string {
	dir, name := path.Split(imported)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(dir)
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, "go-"), "-go")
}

// under reports whether dir is top or below it.
func under(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }
