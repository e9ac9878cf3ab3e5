package main

import (
	"log/slog"
	"net"
	"os"
	"time"
)

// notify tells systemd, if it is there, how the node fares (sd_notify(3)). A failure is logged: it must neither
// keep the node from starting nor from stopping.
func notify(state string, log *slog.Logger) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if err := writeUnixgram(path, state); err != nil {
		log.Warn("systemd not notified", "state", state, "error", err)
	}
}

// writeUnixgram sends one datagram to a unix socket. A leading @ stands for the abstract namespace, for Go as for
// systemd. A receiver that does not read is given up after a second.
func writeUnixgram(path, text string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}
