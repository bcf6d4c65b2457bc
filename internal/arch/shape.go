package arch

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
)

// MaxLines is how long a file may be.
const MaxLines = 450

// Names reports packages named for nothing: whatever is put there has a better name.
func (t *Tree) Names() (found []Violation) {
	vague := []string{"util", "utils", "common", "helpers", "helper", "misc", "manager"}
	for _, f := range t.files {
		name := strings.TrimSuffix(f.Syntax.Name.Name, "_test")
		if slices.Contains(vague, name) || slices.Contains(vague, path.Base(f.Dir)) {
			found = append(found, t.at(f.Syntax.Name.Pos(), "package %s: say what it is about", name))
		}
	}
	return found
}

// Inits reports func init: importing a package does nothing.
func (t *Tree) Inits() (found []Violation) {
	for _, f := range t.files {
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, t.at(fn.Pos(), "func init"))
			}
		}
	}
	return found
}

// Length reports files too long to read at one sitting.
func (t *Tree) Length() (found []Violation) {
	for _, f := range t.files {
		if f.Lines > MaxLines && !f.Generated {
			found = append(found, t.at(f.Syntax.Pos(), "%d lines, at most %d", f.Lines, MaxLines))
		}
	}
	return found
}

// Docs reports public packages without a doc.go.
func (t *Tree) Docs() (found []Violation) {
	documented, first := map[string]bool{}, map[string]*File{}
	for _, f := range t.files {
		if f.Test || under(f.Dir, "internal") || under(f.Dir, "cmd") || under(f.Dir, "bench") || strings.Contains(f.Dir, "/internal/") {
			continue
		}
		if first[f.Dir] == nil {
			first[f.Dir] = f
		}
		if path.Base(f.Path) == "doc.go" && f.Syntax.Doc != nil {
			documented[f.Dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(first)) {
		if !documented[dir] {
			found = append(found, t.at(first[dir].Syntax.Pos(), "package %s has no doc.go that documents it", dir))
		}
	}
	return found
}

// Variables reports where a package variable is changed: assigned, incremented, ranged into, or its address taken. A
// variable of another package counts, too (stripe.Key = … is how two tests come to share an account).
func (t *Tree) Variables() (found []Violation) {
	groups, resolver := t.packages(), t.resolver()
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		files := groups[key]
		pkg, info := resolver.resolve(files[0].Dir, files)
		for _, f := range files {
			for _, e := range changed(f.Syntax) {
				if name := packageVariable(e, pkg, info); name != "" {
					found = append(found, t.at(e.Pos(), "package variable %s is changed", name))
				}
			}
		}
	}
	return found
}

// changed lists the expressions that a file writes to or hands out for writing.
func changed(file *ast.File) (targets []ast.Expr) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = append(targets, n.Lhs...)
			}
		case *ast.IncDecStmt:
			targets = append(targets, n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				targets = append(targets, n.Key)
				if n.Value != nil {
					targets = append(targets, n.Value)
				}
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				targets = append(targets, n.X)
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (fn.Name == "delete" || fn.Name == "clear") {
				targets = append(targets, n.Args[0])
			}
		}
		return true
	})
	return targets
}

// packageVariable names the package variable that e is a part of, or is "".
func packageVariable(e ast.Expr, pkg *types.Package, info *types.Info) string {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			if id, ok := x.X.(*ast.Ident); ok {
				if _, imported := info.Uses[id].(*types.PkgName); imported {
					return id.Name + "." + x.Sel.Name
				}
			}
			e = x.X
		case *ast.Ident:
			if v, ok := info.Uses[x].(*types.Var); ok && v.Parent() == pkg.Scope() {
				return x.Name
			}
			return ""
		default:
			return ""
		}
	}
}

// Skips reports tests that may not run: what was not tested looks as if it had passed.
func (t *Tree) Skips() (found []Violation) {
	for _, f := range t.files {
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			recv, method := selector(call.Fun)
			if method == "SkipNow" || (method == "Skip" || method == "Skipf") && slices.Contains([]string{"t", "tb", "b", "f"}, recv) {
				found = append(found, t.at(call.Pos(), "%s.%s", recv, method))
			}
			return true
		})
	}
	return found
}

// Sleeps reports tests that wait for time to pass instead of for what they wait for. Inside synctest.Test time is
// virtual, and sleeping is how it passes.
func (t *Tree) Sleeps() (found []Violation) {
	for _, f := range t.files {
		if !f.Test && !f.ToolDir() {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch pkg, name := selector(call.Fun); {
			case pkg == "synctest" && name == "Test":
				return false
			case pkg == "time" && name == "Sleep":
				found = append(found, t.at(call.Pos(), "time.Sleep: wait on a signal"))
			}
			return true
		})
	}
	return found
}

// selector splits x.name; x is "" when it is no plain identifier.
func selector(e ast.Expr) (x, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if id, ok := s.X.(*ast.Ident); ok {
		return id.Name, s.Sel.Name
	}
	return "", s.Sel.Name
}
