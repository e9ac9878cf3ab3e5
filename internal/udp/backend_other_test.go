//go:build !linux

package udp

var backends = []backend{{"net", OpenNet}}
