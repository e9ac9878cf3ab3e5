package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/stretchr/testify/require"
	links "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
	"supernode/internal/conntrack"
)

const (
	doctorPort     = 6881
	statefulRules  = `table inet filter { chain input { type filter hook input priority 0; ct state invalid drop; }; }`
	exemptingRules = `table inet raw {
		chain in { type filter hook prerouting priority raw; udp dport 6881 notrack; }
		chain out { type filter hook output priority raw; udp sport 6881 notrack; }
	}`
	refusingRules = `table inet filter { chain output { type filter hook output priority 0; udp dport 7777 drop; }; }`
	natRules      = `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "eth9" masquerade; }; }`
)

// patient is a network namespace in a certain state, and what doctor says of it. Its methods belong on the thread
// that entered the namespace; the first failure is kept, since that is not the test's goroutine.
type patient struct {
	err   error
	clean []func()
}

func (p *patient) must(what string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", what, err)
	}
}

// visit runs f in a namespace of its own, in which 198.18.0.1 is a local address besides loopback's.
func visit(t *testing.T, f func(p *patient)) {
	t.Helper()
	apart.NeedRoot(t)
	p := &patient{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.must("enter a namespace", apart.Enter())
		addr, err := links.ParseAddr("198.18.0.1/32")
		p.must("parse address", err)
		p.loopback(func(lo links.Link) error { return links.AddrAdd(lo, addr) })
		if p.err == nil {
			f(p)
		}
		for _, c := range p.clean {
			c()
		}
	}()
	<-done
	require.NoError(t, p.err)
}

// loopback does something to lo.
func (p *patient) loopback(do func(links.Link) error) {
	lo, err := links.LinkByName("lo")
	if p.must("find loopback", err); err == nil {
		p.must("change loopback", do(lo))
	}
}

func (p *patient) command(stdin, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	p.must(fmt.Sprintf("%s %q: %s", name, args, out), err)
}

func (p *patient) nft(rules string) { p.command(rules, "nft", "-f", "-") }

// findings are what doctor printed, and its exit status.
type findings struct {
	conntrack.Diagnosis
	exit int
	text string
}

// doctor runs the command in the namespace, as root or as nobody, who may have capabilities.
func (p *patient) doctor(asNobody bool, capabilities ...uintptr) (f findings) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, "doctor", "--json", "--interval", "300ms")
	if asNobody {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: capabilities,
		}
	}
	out, err := cmd.Output()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		p.must("run doctor", err)
	} else if ended.ExitCode() < 0 || len(ended.Stderr) > 0 {
		p.must("run doctor", fmt.Errorf("%w: %s", err, ended.Stderr))
	}
	f.text, f.exit = string(out), cmd.ProcessState.ExitCode()
	p.must("read what doctor printed", json.Unmarshal(out, &f.Diagnosis))
	return f
}

// bind opens the port, with a receive buffer so small that it is soon full, since nobody reads.
func (p *patient) bind() { p.bindPort(doctorPort) }

func (p *patient) bindPort(port int) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	p.must("open a socket", err)
	p.must("set its buffer", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 2048))
	p.must("bind it", unix.Bind(fd, &unix.SockaddrInet4{Port: port}))
	p.clean = append(p.clean, func() { unix.Close(fd) })
}

// flood sends to a port, each datagram to another address of loopback and so as a new flow, until the visit ends.
func (p *patient) flood(port int) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	p.must("open a socket", err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for n := uint32(0); ; {
			for range 40 {
				n++
				to := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, byte(1 + n>>16), byte(n >> 8), byte(n)}}
				_ = unix.Sendto(fd, []byte{0}, 0, to) // refused when the table is full, which is the point
			}
			select {
			case <-stop:
				return
			case <-pace.C:
			}
		}
	}()
	p.clean = append(p.clean, func() { close(stop); <-stopped; unix.Close(fd) })
}

// Attributes of IPCTNL_MSG_CT_NEW (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleOrig, ctaTupleReply, ctaStatus, ctaTimeout = 1, 2, 3, 7

	entryStatus = 1<<1 | 1<<2 | 1<<3 // IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
)

// entryMessage is the message that makes an entry of a UDP flow, which the kernel does not evict since it is assured.
func entryMessage(client uint32) netlink.Message {
	attribute := func(kind uint16, parts ...[]byte) []byte {
		data := slices.Concat(parts...)
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
		return append(b, make([]byte, -len(data)&3)...)
	}
	tuple := func(kind uint16, src, dst []byte) []byte {
		const nested = unix.NLA_F_NESTED
		return attribute(nested|kind, attribute(nested|1, attribute(1, src), attribute(2, dst)),
			attribute(nested|2, attribute(1, []byte{unix.IPPROTO_UDP}), attribute(2, []byte{0, 9}), attribute(3, []byte{0, 9})))
	}
	src, dst := binary.BigEndian.AppendUint32(nil, 100<<24|64<<16|client), []byte{198, 18, 0, 1}
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_CTNETLINK << 8, Flags: netlink.Request | netlink.Create},
		Data: slices.Concat([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0},
			tuple(ctaTupleOrig, src, dst), tuple(ctaTupleReply, dst, src),
			attribute(ctaStatus, binary.BigEndian.AppendUint32(nil, entryStatus)),
			attribute(ctaTimeout, binary.BigEndian.AppendUint32(nil, 3600))),
	}
}

// fill makes entries until that part of the limit is in use, or the table is full if that is 1.
func (p *patient) fill(part float64) {
	facts, err := conntrack.Read()
	p.must("read the table's limit", err)
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	p.must("dial netlink", err)
	if p.err != nil {
		return
	}
	defer conn.Close()
	const batch = 256
	for n := facts.Count; n < uint64(part*float64(facts.Limit)) || part == 1; n += batch {
		var messages []netlink.Message
		for i := range uint64(batch) {
			messages = append(messages, entryMessage(uint32(n+i)))
		}
		messages[batch-1].Header.Flags |= netlink.Acknowledge // the others speak up only if they fail
		_, err := conn.SendMessages(messages)
		p.must("make entries", err)
		_, err = conn.Receive()
		if errors.Is(err, unix.ENOMEM) && part == 1 {
			return
		}
		if p.must("make entries", err); p.err != nil {
			return
		}
	}
}

// TestDoctorOfRealStates brings a namespace into each state that has a verdict of its own and asks the command for
// it. Every row that it logs is one of the table in the documentation.
func TestDoctorOfRealStates(t *testing.T) {
	for _, c := range []struct {
		name     string
		prepare  func(p *patient)
		asNobody bool
		verdict  conntrack.Verdict
		exit     int
		says     []string // in the evidence
	}{
		{"nothing tracks", func(p *patient) { p.bind() }, false, conntrack.Inactive, 0, []string{"leave no entries"}},
		{"nothing tracks, asked by nobody", func(p *patient) { p.bind() }, true, conntrack.Inactive, 0, []string{"did not rise with 8 new flows"}},
		{"ct rule", func(p *patient) { p.nft(statefulRules) }, false, conntrack.Tracked, 0,
			[]string{"port 6881 are tracked", "asked for by inet filter input handle 2: ct state", "no UDP socket has port 6881"}},
		{"NAT", func(p *patient) { p.nft(natRules) }, false, conntrack.Tracked, 0, []string{"ip nat post handle 2: masquerade"}},
		{"iptables", func(p *patient) {
			p.command("", "iptables-nft", "-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
		}, false, conntrack.Tracked, 0, []string{"ip filter INPUT handle", "-m conntrack"}},
		{"exempt", func(p *patient) { p.nft(statefulRules + "\n" + exemptingRules) }, false, conntrack.Exempt, 0,
			[]string{"others are tracked, datagrams of port 6881 are not"}},
		{"exempt by iptables", func(p *patient) {
			for _, rule := range []string{
				"-A INPUT -m conntrack --ctstate INVALID -j DROP",
				"-t raw -A PREROUTING -p udp --dport 6881 -j CT --notrack",
				"-t raw -A OUTPUT -p udp --sport 6881 -j CT --notrack",
			} {
				p.command("", "iptables-nft", strings.Fields(rule)...)
			}
		}, false, conntrack.Exempt, 0, []string{"others are tracked, datagrams of port 6881 are not"}},
		{"tracked, asked by nobody", func(p *patient) { p.nft(statefulRules) }, true, conntrack.Tracked, 0,
			[]string{"the count of entries rose by"}},
		{"too many new flows", func(p *patient) { p.nft(statefulRules); p.bind(); p.flood(doctorPort) }, false, conntrack.NearLimit, 1,
			[]string{"the table will be full in"}},
		{"no way to prove", func(p *patient) { p.loopback(links.LinkSetDown) }, false, conntrack.Unknown, 3,
			[]string{"whether this namespace is tracked could not be told", "no datagram of the probe came through"}},
		{"slow server", func(p *patient) { p.bind(); p.flood(doctorPort) }, false, conntrack.Inactive, 0,
			[]string{"not connection tracking", "full receive buffers"}},
		{"a rule that refuses", func(p *patient) { p.nft(refusingRules); p.flood(7777) }, false, conntrack.Inactive, 0,
			[]string{"not connection tracking", "refused on their way out"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f findings
			visit(t, func(p *patient) {
				c.prepare(p)
				f = p.doctor(c.asNobody)
			})
			check(t, f, c.verdict, c.exit, c.says...)
			if c.asNobody {
				unchecked := strings.Join(f.Unchecked, "\n")
				require.Contains(t, unchecked, "rules: ")
				require.Equal(t, !f.Log.Readable, strings.Contains(unchecked, "log: "), unchecked)
			} else {
				require.Empty(t, f.Unchecked)
				require.True(t, f.Log.Readable)
			}
		})
	}
}

func check(t *testing.T, f findings, verdict conntrack.Verdict, exit int, says ...string) {
	t.Helper()
	t.Logf("%s, exit %d: %s", f.Verdict, f.exit, strings.Join(f.Evidence, "; "))
	require.Equal(t, verdict, f.Verdict, f.text)
	require.Equal(t, exit, f.exit)
	documented(t, f)
	evidence := strings.Join(f.Evidence, "\n")
	for _, s := range says {
		require.Contains(t, evidence, s)
	}
}

// TestDoctorWithoutRawSockets: who may look at entries but cannot send as the port does, cannot tell that it is exempt.
func TestDoctorWithoutRawSockets(t *testing.T) {
	var f findings
	visit(t, func(p *patient) {
		p.nft(statefulRules + "\n" + exemptingRules)
		f = p.doctor(true, unix.CAP_NET_ADMIN)
	})
	check(t, f, conntrack.Tracked, 0, "not every way of port 6881 could be tried", "needs CAP_NET_RAW", "asked for by inet filter input")
	require.Contains(t, strings.Join(f.Unchecked, "\n"), "exempt: ")
}

// TestDoctorOfFullTable fills the table of one namespace, first nearly, then wholly, lets a flood meet it, and then
// exempts the port.
func TestDoctorOfFullTable(t *testing.T) {
	var near, full, asked, exempt findings
	visit(t, func(p *patient) {
		p.nft(statefulRules)
		p.bind()
		p.fill(0.92)
		near = p.doctor(false)
		p.fill(1)
		p.flood(doctorPort)
		full = p.doctor(false)
		asked = p.doctor(true)
		p.nft(exemptingRules)
		exempt = p.doctor(false)
	})
	check(t, near, conntrack.NearLimit, 1, "(92 %)")
	require.InDelta(t, 0.92, near.Table.Fill, 0.005)
	require.Greater(t, near.Table.BytesAtLimit, near.Table.BytesNow)

	check(t, full, conntrack.Dropping, 2, "because the table was full", "(100 %)", "to the sender that is EPERM", "port 6881 are tracked")
	require.Positive(t, full.Window.Drop)
	require.NotNil(t, full.Capacity.ToFull)
	require.Zero(t, *full.Capacity.ToFull)
	check(t, asked, conntrack.Dropping, 2, "because the table was full", "refused (EPERM)")

	check(t, exempt, conntrack.Exempt, 0, "datagrams of the port are not", "for it stands the rule", "others lose to the table")
}
