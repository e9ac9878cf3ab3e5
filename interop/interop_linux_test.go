package interop

import "testing"

// TestAnacrolix lets two clients of github.com/anacrolix/torrent find each other.
func TestAnacrolix(t *testing.T) {
	runAll(t, anacrolix, anacrolix)
}

// TestLibtorrent lets two libtorrent sessions find each other, and each of them the other client.
func TestLibtorrent(t *testing.T) {
	needLibtorrent(t)
	runAll(t, libtorrent, libtorrent)
	runAll(t, libtorrent, anacrolix)
	runAll(t, anacrolix, libtorrent)
}

func runAll(t *testing.T, seeder, leecher client) {
	for _, f := range families {
		for _, readOnly := range []bool{true, false} {
			mode := map[bool]string{true: "read-only", false: "ordinary"}[readOnly]
			t.Run(seeder.name+" to "+leecher.name+"/"+f.name+"/"+mode, func(t *testing.T) {
				swarm{f, seeder, leecher, readOnly}.run(t)
			})
		}
	}
}
