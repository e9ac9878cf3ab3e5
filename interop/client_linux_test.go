package interop

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// client is a BitTorrent client that can play a peer.
type client struct {
	name     string
	command  func(t *testing.T) []string // builds it if need be
	ipv4Only bool
	readOnly bool // can be a read-only DHT node (BEP 43)
	slow     bool // waits most of the time
	nodes    int  // how many DHT nodes it must know of before it looks for peers; 0 stands for 1
}

var anacrolix = client{name: "anacrolix", command: program("anacrolixpeer"), readOnly: true}

var libtorrent = client{
	name: "libtorrent",
	command: func(t *testing.T) []string {
		needLibtorrent(t)
		return []string{python, script(t, "libtorrent_peer.py")}
	},
	readOnly: true,
}

var aria2 = client{
	name: "aria2",
	command: func(t *testing.T) []string {
		needProgram(t, "aria2c", "aria2")
		return program("aria2peer")(t)
	},
	slow: true,
}

// Transmission uses the DHT when it knows more than 8 nodes of which at least 4 have answered (getstatus in its
// tr-dht.c), and takes only global addresses for IPv6 (tr_globalIPv6 in its net.c).
var transmission = client{
	name: "transmission",
	command: func(t *testing.T) []string {
		needProgram(t, "transmission-cli", "transmission-cli")
		return program("transmissionpeer")(t)
	},
	ipv4Only: true,
	slow:     true,
	nodes:    9,
}

// program is the command of a peer in this module.
func program(name string) func(t *testing.T) []string {
	return func(t *testing.T) []string { return []string{build(t, ".", "./"+name)} }
}

// script is the path of a program in this directory that need not be built.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	require.NoError(t, err)
	return path
}

// python is the interpreter that Debian's packages install their modules for, which "python3" need not be.
const python = "/usr/bin/python3"

func needLibtorrent(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import libtorrent").Run(); err != nil {
		missing(t, "needs libtorrent for "+python+" (Debian: python3-libtorrent): run scripts/install-interop.sh")
	}
}

func needProgram(t *testing.T, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, "needs "+name+" (Debian: "+pkg+"): run scripts/install-interop.sh")
	}
}
