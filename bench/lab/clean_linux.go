package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Clean removes every lab whose owner is dead, those made to be kept included, with the processes that still run in
// them, and returns their names. A lab whose owner lives is left alone.
func Clean() (removed []string, err error) {
	return sweep(func(id identity) bool { return !id.ownerAlive() })
}

// sweep removes the labs that gone accepts.
func sweep(gone func(identity) bool) (removed []string, err error) {
	files, err := os.ReadDir(netnsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var errs []error
	for _, f := range files {
		id, _, ok := parseNamespace(f.Name())
		if !ok || !gone(id) {
			continue
		}
		if err := removeNetns(f.Name()); err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.Contains(removed, id.String()) {
			removed = append(removed, id.String())
		}
	}
	return removed, errors.Join(errs...)
}

func removeNetns(name string) error {
	fd, err := openNetns(name)
	if err != nil {
		return err
	}
	if fd >= 0 {
		err = emptyNetns(fd)
		err = errors.Join(err, unix.Close(fd))
	}
	return errors.Join(err, removeName(name))
}
