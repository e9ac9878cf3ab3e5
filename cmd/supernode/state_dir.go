package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	stateFile = "state"
	stateTemp = "state.tmp-" // and a number: a save that is not finished
	stateBad  = "state.bad-" // and a time: a state that could not be read
	stateLock = "lock"

	keepBad = 3 // of the states that could not be read
)

// errStateLocked says that another process has the directory.
var errStateLocked = errors.New("another supernode uses it")

// errNoFile says that something else has the state's name.
var errNoFile = errors.New("not a regular file")

// stateDir is a directory that this process alone keeps its state in.
type stateDir struct {
	path string
	lock *os.File
}

// defaultStateDir is where state belongs on this system: what systemd made for the service (StateDirectory=), the
// system's place for root, and a user's own place for others (XDG Base Directory Specification). It is empty for a
// user without a home.
func defaultStateDir(getenv func(string) string, root bool) string {
	if first, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(first) {
		return first
	}
	if root {
		return "/var/lib/supernode"
	}
	if xdg := getenv("XDG_STATE_HOME"); filepath.IsAbs(xdg) { // the specification has relative ones ignored
		return filepath.Join(xdg, "supernode")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "supernode")
	}
	return ""
}

// openStateDir makes the directory if need be, locks it, and clears away what saves that were killed left behind.
func openStateDir(path string) (*stateDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	// The kernel drops the lock with the process, however that ends; the file stays.
	lock, err := os.OpenFile(filepath.Join(path, stateLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &stateDir{path, lock}
	if err := tryLock(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", lock.Name(), err), lock.Close())
	}
	for _, name := range d.list(stateTemp) {
		if err := os.Remove(name); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

// close lets others have the directory.
func (d *stateDir) close() error { return d.lock.Close() }

func (d *stateDir) file() string { return filepath.Join(d.path, stateFile) }

// list returns the files whose names begin with prefix, in the order of their names.
func (d *stateDir) list(prefix string) (files []string) {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Type().IsRegular() {
			files = append(files, filepath.Join(d.path, e.Name()))
		}
	}
	return files
}

// open opens the saved state; it returns nil and no error if there is none.
func (d *stateDir) open() (*os.File, error) {
	info, err := os.Stat(d.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.Mode().IsRegular() { // to open a pipe would wait for a writer
		err = fmt.Errorf("%s: %w", d.file(), errNoFile)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(d.file())
}

// setAside renames a state that cannot be used, so that whoever wants to know why still has it, and removes the oldest
// such states. It returns the new name.
func (d *stateDir) setAside(now time.Time) (string, error) {
	name := filepath.Join(d.path, stateBad+now.UTC().Format("20060102T150405.000Z"))
	if err := os.Rename(d.file(), name); err != nil {
		return "", err
	}
	bad := d.list(stateBad) // times in their names are in order
	for _, oldest := range bad[:max(0, len(bad)-keepBad)] {
		if err := os.Remove(oldest); err != nil {
			return name, err
		}
	}
	return name, syncDir(d.path)
}

// replacement is a state that is being written beside the one there is, which it replaces only when it is whole and
// on the disk: whatever happens before, the old one stays.
type replacement struct {
	dir   *stateDir
	file  *os.File
	bytes int64
}

func (d *stateDir) replace() (*replacement, error) {
	f, err := os.CreateTemp(d.path, stateTemp) // with mode 0600
	if err != nil {
		return nil, err
	}
	return &replacement{dir: d, file: f}, nil
}

func (r *replacement) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	r.bytes += int64(n)
	return n, err
}

// commit puts the new state in the place of the old one.
func (r *replacement) commit() error {
	err := r.file.Sync()
	if closeErr := r.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(r.file.Name(), r.dir.file())
	}
	if err != nil {
		return errors.Join(err, os.Remove(r.file.Name()))
	}
	return syncDir(r.dir.path)
}

// discard leaves the old state as it is.
func (r *replacement) discard() {
	r.file.Close()
	os.Remove(r.file.Name())
}
