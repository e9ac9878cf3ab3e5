package conntrack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// place puts files into a root directory.
func place(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
}

func TestReadHostOfMissingFiles(t *testing.T) {
	root := t.TempDir()
	h := ReadHost(root)
	require.Zero(t, h.EntryBytes)
	require.False(t, h.LogReadable)
	require.Empty(t, h.Modules, "no /proc/modules: a kernel without modules")
	unchecked := strings.Join(h.Unchecked, "\n")
	require.Len(t, h.Unchecked, 2, unchecked)
	require.Contains(t, unchecked, "entry_bytes: ")
	require.Contains(t, unchecked, "log: ")

	place(t, root, map[string]string{
		"proc/slabinfo": fixture(t, "slab/linux-3.10.txt"), "proc/modules": fixture(t, "modules/linux-3.10.txt"),
		"dev/kmsg": "4,1,2,-;nf_conntrack: table full, dropping packet\n",
	})
	h = ReadHost(root)
	require.EqualValues(t, 320, h.EntryBytes)
	require.Len(t, h.Modules, 2)
	require.True(t, h.LogReadable)
	require.Equal(t, 1, h.TableFull)
	require.Empty(t, h.Unchecked)
	require.Equal(t, filepath.Join(root, "proc/slabinfo"), h.Sources[FactEntryBytes])

	place(t, root, map[string]string{"proc/slabinfo": fixture(t, "slab/without.txt")})
	require.Contains(t, ReadHost(root).Unchecked[0], "lists no cache of entries")
}

func TestReadSocketsOfMissingFiles(t *testing.T) {
	root := t.TempDir()
	s := ReadSockets(root, 6881)
	require.Len(t, s.Unchecked, 2, "udp and snmp; a host without IPv6 has nothing to check: %q", s.Unchecked)

	place(t, root, map[string]string{
		"proc/thread-self/net/udp": fixture(t, "sockets/udp.txt"), "proc/thread-self/net/snmp": fixture(t, "sockets/snmp.txt"),
		"proc/thread-self/net/snmp6": "nonsense\n",
	})
	s = ReadSockets(root, 6881)
	require.True(t, s.Bound)
	require.EqualValues(t, 41, s.OutDiscards)
	require.Len(t, s.Unchecked, 1)
	require.Contains(t, s.Unchecked[0], "nonsense")
}

// TestKernelLog writes to the kernel's log what a program may write, which must not count, and reads it to its end. It
// looks at its own record alone: others log too, and a log that is full loses its oldest with every new one.
func TestKernelLog(t *testing.T) {
	apart.NeedRoot(t)
	own := fmt.Appendf(nil, "nf_conntrack: table full, dropping packet of %d", time.Now().UnixNano())
	require.NoError(t, os.WriteFile(LogPath, fmt.Appendf(nil, "<12>%s\n", own), 0), "without the newline the record stays open, and unseen")
	fd, err := openLog(LogPath)
	require.NoError(t, err)
	defer unix.Close(fd)
	seen := false
	require.NoError(t, readRecords(fd, LogPath, func(record []byte) {
		if bytes.Contains(record, own) {
			seen = true
			require.False(t, isTableFull(record), "%s", record)
		}
	}))
	require.True(t, seen, "the log was read to its end")
}

// TestCountNewFlows sends new flows while it counts, until it has counted some, and then stays silent.
func TestCountNewFlows(t *testing.T) {
	apartly(t, func() {
		s, err := countNewFlows(t.Context(), 10*time.Millisecond)
		if err != nil || s.Count != 0 || s.Over < 10*time.Millisecond {
			t.Errorf("a silent namespace: %+v, %v", s, err)
		}
		nft(t, statefulRules)
		from, err := listenUDP(ipv4.loopback) // here, since a socket belongs to the namespace of its thread
		if err != nil {
			t.Error(err)
			return
		}
		defer from.close()
		stop, stopped := make(chan struct{}), make(chan struct{})
		sent := uint64(0)
		go func() {
			defer close(stopped)
			for sent < 1<<16 {
				select {
				case <-stop:
					return
				default:
				}
				sent++
				to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(sent >> 8), byte(sent)}), 9)
				if err := unix.Sendto(from.fd, probePayload, 0, sockaddr(to)); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
					t.Error(err)
					return
				}
			}
		}()
		s, err = countNewFlows(t.Context(), 10*time.Second)
		close(stop)
		<-stopped
		if err != nil || s.Count < enoughEvents || s.Count > sent || s.Over <= 0 {
			t.Errorf("%d flows: counted %+v, %v", sent, s, err)
		}
	})
}

func TestMessages(t *testing.T) {
	one := make([]byte, 20)
	one[0] = 20
	padded := append([]byte{}, one...)
	padded[0] = 18
	require.Equal(t, 0, messages(nil))
	require.Equal(t, 1, messages(one))
	require.Equal(t, 2, messages(append(padded, one...)))
	require.Equal(t, 1, messages(append(one, 1, 2, 3)), "a rest that is no message")
	require.Equal(t, 0, messages(make([]byte, 16)), "a message of no length")
}

// TestNamespaces finds a namespace by a process in it and by its name, once each, and enters it.
func TestNamespaces(t *testing.T) {
	apart.NeedRoot(t)
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	started := make(chan error, 1)
	go func() {
		err := apart.Enter()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })

	list, _, err := Namespaces("/")
	require.NoError(t, err)
	var ours, its unix.Stat_t
	require.NoError(t, unix.Stat("/proc/self/ns/net", &ours))
	require.NoError(t, unix.Stat(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "ns/net"), &its))
	seen := map[uint64]int{}
	names := map[uint64]string{}
	for _, n := range list {
		seen[n.Inode]++
		names[n.Inode] = n.Name
	}
	require.Equal(t, 1, seen[ours.Ino])
	require.Equal(t, 1, seen[its.Ino])
	require.Regexp(t, `^pid \d+ \(.+\)$`, names[its.Ino])

	inodes, errs := ForEach(list, func(Namespace) (uint64, error) {
		var st unix.Stat_t
		err := unix.Stat("/proc/thread-self/ns/net", &st)
		return st.Ino, err
	})
	for i, n := range list {
		if n.Inode == ours.Ino || n.Inode == its.Ino { // others may have ended meanwhile
			require.NoError(t, errs[i], n.Name)
			require.Equal(t, n.Inode, inodes[i], n.Name)
		}
	}

	// A name comes before a process.
	root := t.TempDir()
	place(t, root, map[string]string{"proc/17/comm": "server\n", "proc/meminfo": "", "run/netns/.keep": ""})
	require.NoError(t, os.Remove(filepath.Join(root, "run/netns/.keep")))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/17/ns"), 0o755))
	require.NoError(t, os.Link(filepath.Join(root, "proc/17/comm"), filepath.Join(root, "proc/17/ns/net")))
	require.NoError(t, os.Link(filepath.Join(root, "proc/17/comm"), filepath.Join(root, "run/netns/blue")))
	list, hidden, err := Namespaces(root)
	require.NoError(t, err)
	require.Zero(t, hidden)
	require.Len(t, list, 1)
	require.Equal(t, "blue", list[0].Name)

	_, errs = ForEach(list, func(Namespace) (int, error) { return 0, nil })
	require.ErrorContains(t, errs[0], "enter namespace blue")

	// Whoever may name a process or a namespace may not write to our terminal.
	place(t, root, map[string]string{"proc/18/comm": "a\x1b[2J\n", "proc/18/ns/net": "", "run/netns/re\nd": ""})
	list, _, err = Namespaces(root)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, `pid 18 (a\x1b[2J)`, list[1].Name)
	require.Equal(t, `re\nd`, list[2].Name)
}
