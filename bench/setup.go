package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// needRoot is the error of a command that has to do with labs which stay, without the right to.
func needRoot() error {
	if os.Geteuid() != 0 {
		return usagef("needs root, for network namespaces that outlive it: run it with sudo")
	}
	return nil
}

// checkOut refuses a directory that already holds the file of records. They are never overwritten, and that had better
// be known before the run than after its first minutes.
func checkOut(dir, file string) error {
	_, err := os.Lstat(filepath.Join(dir, file))
	switch {
	case err == nil:
		return usagef("--out %s: it holds the %s of an earlier run: choose another directory", dir, file)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return usagef("--out %s: %w", dir, err)
}

// programDir is where this program is, and the ones it runs beside it.
func programDir() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the programs to run: %w", err)
	}
	return filepath.Dir(self), nil
}

// havePrograms is the error of a program that is not where it should be.
func havePrograms(mend string, paths ...string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return usagef("%w: bench runs the programs beside it, build them with: %s", err, mend)
		}
	}
	return nil
}
