package lab

import (
	"fmt"
	"net/netip"
	"regexp"
)

// ServerPort is the port of ServerEndpoint, the usual one of a DHT node.
const ServerPort = 6881

// Spec describes a lab. It is plain data: nothing happens before Up.
type Spec struct {
	Name string // lower-case letters, digits and '-', at most 16; "" lets Up choose one that is free in this process

	ServerAddr4, ClientAddr4 netip.Prefix // addresses on the link, in one subnet
	ServerAddr6, ClientAddr6 netip.Prefix // the same for IPv6

	// Sources4 and Sources6 are owned whole by the client through a local route (AnyIP): it may send from, and
	// receives at, every address in them. They must not overlap the link's subnets.
	Sources4, Sources6 netip.Prefix

	ServerCPU int // core of the server and of its receive thread
	ClientCPU int // core of the generator, of its receive thread and of the harness

	PinNAPI bool // pin each side's NAPI thread to that side's core
	Keep    bool // the lab outlives the process that made it, until Clean
}

// Default returns the standard lab: the server on core 0, the client on core 1.
func Default() Spec {
	return Spec{
		ServerAddr4: netip.MustParsePrefix("10.18.0.1/30"),
		ClientAddr4: netip.MustParsePrefix("10.18.0.2/30"),
		ServerAddr6: netip.MustParsePrefix("fd00:18::1/64"),
		ClientAddr6: netip.MustParsePrefix("fd00:18::2/64"),
		Sources4:    netip.MustParsePrefix("198.18.0.0/15"),
		Sources6:    netip.MustParsePrefix("fd00:18:1::/64"),
		ServerCPU:   0,
		ClientCPU:   1,
		PinNAPI:     true,
	}
}

// Validate reports what is wrong with the description itself; it asks nothing of the machine.
func (s Spec) Validate() error {
	if s.Name != "" && !validName.MatchString(s.Name) {
		return fmt.Errorf("validate lab name %q: use 1 to 16 of a-z, 0-9 and '-'", s.Name)
	}
	if s.ServerCPU < 0 || s.ClientCPU < 0 {
		return fmt.Errorf("validate lab: cores %d (server) and %d (client) must not be negative", s.ServerCPU, s.ClientCPU)
	}
	if err := validFamily("IPv4", netip.Addr.Is4, s.ServerAddr4, s.ClientAddr4, s.Sources4); err != nil {
		return err
	}
	return validFamily("IPv6", isIPv6, s.ServerAddr6, s.ClientAddr6, s.Sources6)
}

var validName = regexp.MustCompile(`^[a-z0-9-]{1,16}$`)

func isIPv6(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" }

func validFamily(family string, is func(netip.Addr) bool, server, client, sources netip.Prefix) error {
	for _, p := range []netip.Prefix{server, client, sources} {
		if !p.IsValid() || !is(p.Addr()) {
			return fmt.Errorf("validate lab: %v is not an %s prefix", p, family)
		}
	}
	switch {
	case server.Addr() == client.Addr():
		return fmt.Errorf("validate lab: server and client share the address %v", server.Addr())
	case server.Masked() != client.Masked():
		return fmt.Errorf("validate lab: server %v and client %v are not in one subnet", server, client)
	case sources != sources.Masked():
		return fmt.Errorf("validate lab: sources %v have bits beyond their length; use %v", sources, sources.Masked())
	case sources.Overlaps(server):
		return fmt.Errorf("validate lab: sources %v overlap the link %v, whose server address the client would take for its own",
			sources, server.Masked())
	}
	return nil
}

// Side names one end of the link.
type Side int

// The two ends.
const (
	Server Side = iota
	Client
)

func (s Side) String() string {
	switch s {
	case Server:
		return "server"
	case Client:
		return "client"
	}
	return fmt.Sprintf("Side(%d)", int(s))
}

func (s Side) other() Side { return 1 - s }

// Ruleset names what the server namespace's firewall does with a packet of the measured port. Each evaluates the same
// number of rules: one in prerouting, one in input, and one each in the two output chains.
type Ruleset int

const (
	// RulesPlain has no ct expression: connection tracking stays inactive. The arm "off".
	RulesPlain Ruleset = iota
	// RulesStateful accepts by ct state, as a normal firewall does. The arm "on".
	RulesStateful
	// RulesNotrack is the stateful firewall with the port exempted in both directions. The arm "notrack".
	RulesNotrack
)

func (r Ruleset) String() string {
	switch r {
	case RulesPlain:
		return "plain"
	case RulesStateful:
		return "stateful"
	case RulesNotrack:
		return "notrack"
	}
	return fmt.Sprintf("Ruleset(%d)", int(r))
}
