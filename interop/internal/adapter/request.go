package adapter

import "net/netip"

// Request is a line of a user's standard input: what to do in the DHT. Ids, keys and filters are hexadecimal.
type Request struct {
	Do       string `json:"do"`
	InfoHash string `json:"info_hash,omitzero"`
	Target   string `json:"target,omitzero"`
	Value    string `json:"value,omitzero"`  // a string, as text
	Seed     string `json:"seed,omitzero"`   // 32 bytes, of which RFC 8032 makes both keys
	Public   string `json:"public,omitzero"` // the public one
	Salt     string `json:"salt,omitzero"`   // as text
}

// What can be done. Not every client can do all.
const (
	Announce   = "announce"    // info_hash: nothing. With the port of --listen
	FindNode   = "find_node"   // target: nodes, of the node itself
	GetPeers   = "get_peers"   // info_hash: peers
	Put        = "put"         // value: target
	Get        = "get"         // target: value
	PutMutable = "put_mutable" // seed, salt, value: nothing. Under the sequence number that follows the one in the DHT
	GetMutable = "get_mutable" // public, salt: value, seq
	Sample     = "sample"      // target: samples, num, interval, of the node itself
	Scrape     = "scrape"      // info_hash: seeds, downloaders, of the node itself
)

// Answer is the line of standard output that answers a request. The first line is an empty one: ready.
type Answer struct {
	Error       string           `json:"error,omitzero"`
	Peers       []netip.AddrPort `json:"peers,omitzero"`
	Nodes       []netip.AddrPort `json:"nodes,omitzero"`
	Target      string           `json:"target,omitzero"`
	Value       string           `json:"value,omitzero"`
	Seq         int64            `json:"seq,omitzero"`
	Samples     []string         `json:"samples,omitzero"`
	Num         int64            `json:"num,omitzero"`
	Interval    int64            `json:"interval,omitzero"`
	Seeds       string           `json:"seeds,omitzero"`       // filter, BEP 33
	Downloaders string           `json:"downloaders,omitzero"` // filter, BEP 33
}
