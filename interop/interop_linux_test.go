package interop

import "testing"

// TestAnacrolix lets two clients of github.com/anacrolix/torrent find each other.
func TestAnacrolix(t *testing.T) {
	runAll(t, anacrolix, anacrolix)
}

// TestLibtorrent lets two libtorrent sessions find each other, and each of them the other client.
func TestLibtorrent(t *testing.T) {
	runAll(t, libtorrent, libtorrent)
	runAll(t, libtorrent, anacrolix)
	runAll(t, anacrolix, libtorrent)
}

// TestAria2 lets aria2 seed for itself and for libtorrent, and download from that.
func TestAria2(t *testing.T) {
	t.Parallel()
	runAll(t, aria2, aria2)
	runAll(t, aria2, libtorrent)
	runAll(t, libtorrent, aria2)
}

// TestTransmission lets Transmission seed for libtorrent and download from aria2.
func TestTransmission(t *testing.T) {
	t.Parallel()
	runAll(t, transmission, libtorrent)
	runAll(t, aria2, transmission)
}

// runAll runs the swarms of two clients: over each address family, and with ordinary and read-only DHT nodes, as far
// as both clients can. Clients that take their time do so side by side.
func runAll(t *testing.T, seeder, leecher client) {
	for _, f := range families {
		if f.name != "ipv4" && (seeder.ipv4Only || leecher.ipv4Only) {
			continue
		}
		for _, readOnly := range []bool{true, false} {
			if readOnly && !(seeder.readOnly && leecher.readOnly) {
				continue
			}
			mode := map[bool]string{true: "read-only", false: "ordinary"}[readOnly]
			t.Run(seeder.name+" to "+leecher.name+"/"+f.name+"/"+mode, func(t *testing.T) {
				if seeder.slow || leecher.slow {
					t.Parallel()
				}
				swarm{f, seeder, leecher, readOnly}.run(t)
			})
		}
	}
}
