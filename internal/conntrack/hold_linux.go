package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A Hold is a table of ours that lives as long as the process that made it: the kernel itself removes the table when the
// process ends, by kill -9 too, since the table is bound to a netlink socket (NFT_TABLE_F_OWNER, Linux 5.12). Nobody
// else can change it meanwhile, and `nft flush ruleset`, as a reload of a firewall does, passes it over.
//
// On an older kernel an exemption's table is an ordinary one: it stays behind after a kill -9, and the next HoldExempt for
// the port replaces it.
type Hold struct {
	conn  *nftables.Conn
	port  uint16
	Owned bool // the kernel removes the table with the process
}

const tableFlagOwner = 1 << 1 // NFT_TABLE_F_OWNER, include/uapi/linux/netfilter/nf_tables.h

// HoldExempt exempts the port as ExemptPort does, until Close or the end of the process. A table of ours that nobody holds
// is replaced. A port that DNAT leads elsewhere, or leads to, is refused.
func HoldExempt(port uint16) (*Hold, error) {
	if port == 0 {
		return nil, errors.New("exempt port 0: name the server's port")
	}
	ports, err := exemptPorts()
	if err != nil {
		return nil, err
	}
	if ports[port]&tableFlagOwner != 0 {
		return nil, fmt.Errorf("exempt port %d: another process holds nftables table inet %s, and the port is exempt by that",
			port, ExemptTable(port))
	}
	if err := refuseTranslated(context.Background(), port); err != nil {
		return nil, err
	}
	if _, err := UnexemptPort(port); err != nil {
		return nil, err
	}
	h, err := hold(exemptTable(port), exemptChains(port))
	if err == nil || !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
		return h, err
	}
	if err := ExemptPort(port); err != nil {
		return nil, err
	}
	return &Hold{port: port}, nil
}

// hold makes a table on a socket that stays open.
func hold(table *nftables.Table, chains []chainRules) (*Hold, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return createOwned(c, table.Name)
	}))
	if err != nil {
		return nil, fmt.Errorf("create nftables table inet %s: %w", table.Name, explain(err))
	}
	addChains(conn, table, chains)
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("fill nftables table inet %s: %w", table.Name, explain(err)), conn.CloseLasting())
	}
	return &Hold{conn: conn, Owned: true}, nil
}

// createOwned creates an empty table that belongs to the socket. The library has no flags for tables, so the message is
// made here: a batch of one NFT_MSG_NEWTABLE.
func createOwned(c *netlink.Conn, name string) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, tableFlagOwner)},
	})
	if err != nil {
		return err
	}
	// struct nfgenmsg: family, version, resource id, which is the subsystem for the ends of a batch.
	end := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	_, err = c.SendMessages([]netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: end},
		{
			Header: netlink.Header{
				Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE,
				Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl,
			},
			Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
		},
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: end},
	})
	if err != nil {
		return err
	}
	_, err = c.Receive()
	return err
}

// Close takes the table away. It is safe to call again, and on a nil Hold.
func (h *Hold) Close() error {
	if h == nil {
		return nil
	}
	if conn := h.conn; conn != nil {
		h.conn = nil
		return conn.CloseLasting() // with the socket goes the table
	}
	if h.port == 0 {
		return nil
	}
	port := h.port
	h.port = 0
	_, err := UnexemptPort(port)
	return err
}
