package wire

// Kind is what a message is: the value of its key "y".
type Kind byte

// The three kinds of BEP 5.
const (
	Query    Kind = 'q'
	Response Kind = 'r'
	Error    Kind = 'e'
)

// Method is a query's name, "q".
type Method uint8

// The methods this codec knows by name. Any other parses as [Unknown], with the name in [Message.Name].
const (
	Unknown          Method = iota
	Ping                    // BEP 5
	FindNode                // BEP 5
	GetPeers                // BEP 5
	AnnouncePeer            // BEP 5
	Get                     // BEP 44
	Put                     // BEP 44
	SampleInfohashes        // BEP 51

	// Methods is the number of Method values, for arrays indexed by one.
	Methods
)

var methodNames = [Methods]string{
	"unknown", "ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes",
}

// String is the method's name on the wire ("unknown" for [Unknown]).
func (m Method) String() string {
	if m >= Methods {
		m = Unknown
	}
	return methodNames[m]
}

// MethodByName finds the method called name, or [Unknown].
func MethodByName(name []byte) Method {
	switch string(name) {
	case "ping":
		return Ping
	case "find_node":
		return FindNode
	case "get_peers":
		return GetPeers
	case "announce_peer":
		return AnnouncePeer
	case "get":
		return Get
	case "put":
		return Put
	case "sample_infohashes":
		return SampleInfohashes
	}
	return Unknown
}

// Want is the set of node families a query asks for (BEP 32). Zero: the query did not say.
type Want uint8

// The members of a [Want].
const (
	Want4 Want = 1 << iota // "n4": IPv4 nodes, key "nodes"
	Want6                  // "n6": IPv6 nodes, key "nodes6"
)

// Has is the set of integer arguments a message carries: for these, zero is a value and absence is not.
type Has uint8

// The members of a [Has].
const (
	HasPort     Has = 1 << iota // announce_peer
	HasSeq                      // BEP 44
	HasCAS                      // BEP 44
	HasInterval                 // BEP 51
	HasNum                      // BEP 51
)

// Error codes of BEP 5 and BEP 44.
const (
	CodeGeneric          = 201
	CodeServer           = 202
	CodeProtocol         = 203
	CodeMethodUnknown    = 204
	CodeValueTooBig      = 205
	CodeInvalidSignature = 206
	CodeSaltTooBig       = 207
	CodeCASMismatch      = 301
	CodeSeqTooLow        = 302
)

// Message is one KRPC message. A nil slice is an absent key; an empty one that is not nil is an empty string
// on the wire. Fields of fixed length (given in brackets, in bytes) are nil in a parsed message unless
// they had just that length; Append leaves out an ID, Target or InfoHash of any other.
type Message struct {
	Kind     Kind
	Method   Method // queries: "q"
	ReadOnly bool   // "ro" nonzero (BEP 43)
	Has      Has

	T       []byte // "t", transaction id, any length
	Name    []byte // "q" as it was sent; Append uses it for an Unknown method only
	Version []byte // "v" at the top level, client version
	IP      []byte // "ip" [6 or 18], the receiver's address as the sender saw it (BEP 42)

	// The dictionaries "a" and "r".

	ID       []byte // [20]
	Target   []byte // [20]
	InfoHash []byte // [20]
	Token    []byte
	Nodes    []byte // [n*26] compact IPv4 nodes
	Nodes6   []byte // [n*38] compact IPv6 nodes (BEP 32)
	Values   []byte // the list's inside, still bencoded: read with Peers, write with AppendPeer
	Samples  []byte // [n*20] info_hashes (BEP 51)
	BFsd     []byte // [256] Bloom filter of seeds (BEP 33)
	BFpe     []byte // [256] Bloom filter of downloaders (BEP 33)
	Value    []byte // "v", the stored value, still bencoded (BEP 44); never empty, perhaps not canonical
	Key      []byte // "k", ed25519 public key (BEP 44); of any length, since one that is wrong is not one that is absent
	Sig      []byte // ed25519 signature (BEP 44), of any length
	Salt     []byte // BEP 44

	Port     int64 // valid with HasPort; not checked for range
	Seq      int64 // valid with HasSeq
	CAS      int64 // valid with HasCAS
	Interval int64 // seconds, valid with HasInterval
	Num      int64 // valid with HasNum

	Want        Want
	ImpliedPort bool // "implied_port" nonzero
	Seed        bool // "seed" nonzero (BEP 33)
	NoSeed      bool // "noseed" nonzero (BEP 33)
	Scrape      bool // "scrape" nonzero (BEP 33)

	Code int64  // errors: the code, zero if "e" is not the list it should be
	Text []byte // errors: the human-readable part; nil and empty are the same on the wire
}
