package main

import "net"

// writeUnixgram sends one datagram to a unix socket. A leading @ stands for the abstract namespace, as in
// NOTIFY_SOCKET.
func writeUnixgram(path, text string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(text))
	return err
}
