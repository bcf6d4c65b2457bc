package daemon

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// User is an account to run a server as.
type User struct {
	Name     string
	UID, GID uint32
}

// Unprivileged returns the first of the named accounts that exists, for a server that refuses to run as root. It
// returns nil when this process is not root: it can be no one else then, and need not.
func Unprivileged(names ...string) (*User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &User{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("running as root, and there is none of the accounts %s to run the server as", strings.Join(names, ", "))
}

// Mkdir makes dir, private to the user. Temporary directories are made for their owner alone, so those on the way
// to it, below the one that TMPDIR names, are opened to be passed through, not to be listed. That one itself has to let
// the user through. A nil user makes dir its own.
func (u *User) Mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil || u == nil {
		return err
	}
	if err := os.Chown(dir, int(u.UID), int(u.GID)); err != nil {
		return err
	}
	above := filepath.Clean(os.TempDir()) + string(filepath.Separator)
	for parent := filepath.Dir(dir); strings.HasPrefix(parent, above); parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if err := os.Chmod(parent, info.Mode().Perm()|0o011); err != nil {
			return err
		}
	}
	return nil
}
