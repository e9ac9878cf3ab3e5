package conntrack

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LogPath is where the kernel's log is read (Documentation/ABI/testing/dev-kmsg).
const LogPath = "/dev/kmsg"

const logHint = "kernel.dmesg_restrict asks for CAP_SYSLOG"

// Log reads what the kernel logs from now on. One goroutine at a time may use it.
type Log struct{ fd int }

// OpenLog opens the kernel's log at its end.
func OpenLog() (*Log, error) {
	fd, err := openLog(LogPath)
	if err != nil {
		return nil, err
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, errors.Join(fmt.Errorf("go to the end of %s: %w", LogPath, err), unix.Close(fd))
	}
	return &Log{fd}, nil
}

// TableFull returns the kernel's complaints of a full table since the last call, the text of each. The kernel limits how
// often it complains, for all namespaces together, so that there is more to complain of than is said.
func (l *Log) TableFull() (lines []string, err error) {
	err = readRecords(l.fd, LogPath, func(record []byte) {
		if isTableFull(record) {
			_, text, _ := bytes.Cut(record, []byte{';'})
			line, _, _ := bytes.Cut(text, []byte{'\n'})
			lines = append(lines, printable(string(line)))
		}
	})
	return lines, err
}

// Close closes the log.
func (l *Log) Close() error { return unix.Close(l.fd) }

func openLog(path string) (fd int, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s (%s): %w", path, logHint, err)
	}
	return fd, nil
}

// readRecords calls visit for each record of the log that is there to be read. The record is valid until visit returns.
func readRecords(fd int, path string, visit func(record []byte)) error {
	buf := make([]byte, 8<<10) // a record is shorter, or the read fails with EINVAL
	for range maxRecords {
		n, err := unix.Read(fd, buf)
		switch {
		case n == 0 && err == nil, errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // overwritten under us; the next read goes on
			continue
		case err != nil:
			return fmt.Errorf("read %s (%s): %w", path, logHint, err)
		}
		visit(buf[:n])
	}
	return nil
}
