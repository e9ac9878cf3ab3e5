package interop

import "testing"

// TestAnacrolix lets two clients of github.com/anacrolix/torrent find each other.
func TestAnacrolix(t *testing.T) {
	runAll(t, anacrolix, anacrolix)
}

// TestLibtorrent lets two libtorrent sessions find each other, and each of them the other client.
func TestLibtorrent(t *testing.T) {
	t.Parallel()
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

// TestTransmission lets Transmission seed for libtorrent and download from aria2. Beside a read-only node that asks it
// without ever answering it its lookups do not end.
func TestTransmission(t *testing.T) {
	t.Parallel()
	runAll(t, transmission, libtorrent)
	runAll(t, aria2, transmission)
}

// runAll runs the swarms of two clients: over each address family that both can, and with read-only and with ordinary
// DHT nodes. If only one can be read-only, it is. Clients that take their time do so side by side.
func runAll(t *testing.T, seeder, leecher client) {
	for _, f := range families {
		if f.name != "ipv4" && (seeder.ipv4Only || leecher.ipv4Only) {
			continue
		}
		if seeder.readOnly || leecher.readOnly {
			runSwarm(t, "read-only", swarm{f, seeder, leecher, true})
		}
		if seeder.readOnly == leecher.readOnly {
			runSwarm(t, "ordinary", swarm{f, seeder, leecher, false})
		}
	}
}

func runSwarm(t *testing.T, mode string, s swarm) {
	t.Run(s.seeder.name+" to "+s.leecher.name+"/"+s.family.name+"/"+mode, func(t *testing.T) {
		if s.seeder.slow || s.leecher.slow {
			t.Parallel()
		}
		s.run(t)
	})
}
