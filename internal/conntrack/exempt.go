package conntrack

import "strconv"

const exemptPrefix = "supernode_notrack_"

// ExemptTable is the name of the nftables table, of family inet, that exempts a UDP port from connection tracking.
func ExemptTable(port uint16) string { return exemptPrefix + strconv.Itoa(int(port)) }
