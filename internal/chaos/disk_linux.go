package main

import (
	"fmt"
	"syscall"
)

// disk is a tmpfs that can be made smaller while it is used.
type disk struct{ dir string }

// mount makes dir a file system of its own, which needs root.
func mount(dir string) (*disk, error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0711", diskSize)); err != nil {
		return nil, errNoDisk(err)
	}
	return &disk{dir}, nil
}

// fill leaves so many bytes.
func (d *disk) fill(left uint64) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &stat); err != nil {
		return err
	}
	return d.resize((stat.Blocks-stat.Bfree)*uint64(stat.Bsize) + left)
}

func (d *disk) empty() error { return d.resize(diskSize) }

func (d *disk) resize(size uint64) error {
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", size)); err != nil {
		return fmt.Errorf("resize the disk: %w", err)
	}
	return nil
}

// unmount takes it away, with all that is on it, once nobody uses it any more.
func (d *disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }
