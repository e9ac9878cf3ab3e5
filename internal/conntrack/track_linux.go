package conntrack

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// trackPrefix begins the name of the table that wakes connection tracking.
const trackPrefix = "supernode_track_"

// HoldTracking wakes connection tracking in the calling thread's network namespace, as a firewall's stateful rule for the
// port does, until Close or the end of the process. The rule accepts what would be accepted without it; but while any rule
// asks for a state, the kernel tracks every flow of the namespace, the port's and all others. It needs CAP_NET_ADMIN and
// Linux 5.12: on an older kernel the rule could outlive the process.
func HoldTracking(port uint16) (*Hold, error) {
	if port == 0 {
		return nil, errors.New("track port 0: name the server's port")
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: fmt.Sprintf("%s%d", trackPrefix, port)}
	h, err := hold(table, trackChains(port))
	switch {
	case errors.Is(err, unix.EEXIST):
		return nil, fmt.Errorf("nftables table inet %s is there already: end the process that holds it", table.Name)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return nil, fmt.Errorf("%w (tables that end with their process need Linux 5.12)", err)
	}
	return h, err
}

// trackChains are the chains of that table: one rule for what arrives, one for what is sent.
func trackChains(port uint16) []chainRules {
	rule := func(offset uint32) [][]expr.Any {
		return [][]expr.Any{append(append(matchPort(offset, port), MatchAnyState()...), &expr.Verdict{Kind: expr.VerdictAccept})}
	}
	return []chainRules{
		{"input", nftables.ChainHookInput, *nftables.ChainPriorityFilter, rule(udpDestinationPort)},
		{"output", nftables.ChainHookOutput, *nftables.ChainPriorityFilter, rule(udpSourcePort)},
	}
}

// MatchAnyState is "ct state established,related,new,untracked": what any packet is, and still asks for the state.
func MatchAnyState() []expr.Any {
	const states = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED | expr.CtStateBitNEW | expr.CtStateBitUNTRACKED
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(states), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}
