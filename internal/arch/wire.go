package arch

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"slices"
)

// names says where the names on the wire are written down: the constructors of descriptors and sagas, by import path.
// Everything else, such as the outcomes of a command, is derived from these.
func names() map[string]struct {
	kind    string
	sourced bool // the first argument is the source, the name comes second
} {
	type constructor = struct {
		kind    string
		sourced bool
	}
	return map[string]constructor{
		Module + "/eventstore.Define":    {"event", true},
		Module + "/commands.Define":      {"command", false},
		Module + "/commands.DefineMoney": {"money-command", false},
		Module + "/sagas/saga.New":       {"saga", false},
		Module + "/sagas/saga.Map":       {"saga", false},
		Module + "/sagas/saga.Derive":    {"saga", false},
		Module + "/sagas/saga.Timer":     {"timer", false},
	}
}

// computes reports whether a package also makes names out of others: outcomes out of commands, Stripe's out of its library's
// constants, and the machinery out of what is stored. There a name that is no constant is none of ours to list.
func computes(dir string) bool {
	return slices.Contains([]string{"commands", "sagas/saga", "ingest/stripehook"}, dir) || under(dir, "internal")
}

// Wire lists, sorted, every name that leaves the process or is stored: of events, commands, sagas and timers, with their
// former names. A name that is no constant is a violation, for nobody could read it here.
func (t *Tree) Wire() (lines []string, found []Violation) {
	seen := map[string]bool{}
	groups, resolver := t.packages(), t.resolver()
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		files := groups[key]
		_, info := resolver.resolve(files[0].Dir, files)
		for _, f := range files {
			if f.Test || f.ToolDir() {
				continue
			}
			for _, use := range wireUses(f, info) {
				line, unread := use.line(info)
				if unread == nil {
					seen[line] = true
				} else if !computes(f.Dir) {
					found = append(found, t.at(unread.Pos(), "the name of this %s is no constant", use.kind))
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), found
}

type wireUse struct {
	kind string
	args []ast.Expr
}

// line is the golden file's, or else the argument that is no constant.
func (u wireUse) line(info *types.Info) (line string, unread ast.Expr) {
	line = u.kind
	for _, arg := range u.args {
		value := info.Types[arg].Value
		if value == nil || value.Kind() != constant.String {
			return "", arg
		}
		line += " " + constant.StringVal(value)
	}
	return line, nil
}

// wireUses finds the calls of constructors in f, and the constants that are timers.
func wireUses(f *File, info *types.Info) (uses []wireUse) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			c, ok := names()[imported(n.Fun, info)]
			if !ok {
				break
			}
			args := n.Args
			if c.kind == "saga" { // what follows is its rules
				args = args[:min(1, len(args))]
			}
			if c.sourced && len(args) < 2 || len(args) == 0 {
				break
			}
			uses = append(uses, wireUse{c.kind, args})
		case *ast.ValueSpec:
			if n.Type != nil && names()[imported(n.Type, info)].kind == "timer" {
				for _, v := range n.Values {
					uses = append(uses, wireUse{"timer", []ast.Expr{v}})
				}
			}
		}
		return true
	})
	return uses
}

// imported is the import path and name that an expression such as eventstore.Define[T] stands for, or "".
func imported(e ast.Expr, info *types.Info) string {
	switch x := e.(type) {
	case *ast.IndexExpr:
		return imported(x.X, info)
	case *ast.IndexListExpr:
		return imported(x.X, info)
	case *ast.SelectorExpr:
		if id, ok := x.X.(*ast.Ident); ok {
			if pkg, ok := info.Uses[id].(*types.PkgName); ok {
				return pkg.Imported().Path() + "." + x.Sel.Name
			}
		}
	}
	return ""
}

// Diff says what was taken from and added to a golden list.
func Diff(golden, now []string) (changes []string) {
	for _, line := range golden {
		if !slices.Contains(now, line) {
			changes = append(changes, fmt.Sprintf("- %s", line))
		}
	}
	for _, line := range now {
		if !slices.Contains(golden, line) {
			changes = append(changes, fmt.Sprintf("+ %s", line))
		}
	}
	return changes
}
