package conntrack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxRecords bounds how much of the kernel's log is looked at. A record takes at least 32 bytes, and a buffer of 8 MiB
// is already uncommon.
const maxRecords = 1 << 18

// ReadHost reads what is the same for all namespaces. root is where /proc, /sys and /dev are, "/" but in tests.
func ReadHost(root string) Host {
	h := Host{Modules: []Module{}, Sources: map[string]string{}}
	note := func(fact, path string, err error) bool {
		if err != nil {
			h.Unchecked = append(h.Unchecked, fmt.Sprintf("%s: %v", fact, err))
			return false
		}
		h.Sources[fact] = path
		return true
	}
	path := filepath.Join(root, "proc/slabinfo")
	err := parseFile(path, func(r io.Reader) (err error) {
		h.EntryBytes, err = parseSlab(r)
		if err == nil && h.EntryBytes == 0 {
			err = errors.New(path + " lists no cache of entries")
		}
		return err
	})
	note(FactEntryBytes, path, err)

	path = filepath.Join(root, "proc/modules")
	err = parseFile(path, func(r io.Reader) (err error) {
		h.Modules, err = parseModules(r)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // a kernel without modules; what it has is built in
		h.Sources[FactModules] = "no " + path
	} else {
		note(FactModules, path, err)
	}

	path = filepath.Join(root, "dev/kmsg")
	h.TableFull, err = countTableFull(path)
	h.LogReadable = note(FactLog, path, err)
	return h
}

func parseFile(path string, parse func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return parse(f)
}

// countTableFull reads the kernel's log from its oldest record to its newest and counts complaints of a full table. The
// kernel limits how often it complains, so that there were more.
func countTableFull(path string) (lines int, err error) {
	fd, err := openLog(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	err = readRecords(fd, path, func(record []byte) {
		if isTableFull(record) {
			lines++
		}
	})
	return lines, err
}
