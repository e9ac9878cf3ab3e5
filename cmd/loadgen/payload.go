package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"supernode/internal/udp"
)

// payload is what is asked of servers that are no DHT node: the same datagram each time, but for a number by which the
// reply is known. It is a pflag.Value; the zero payload stands for the DHT's queries, which have files of their own.
type payload struct {
	text    string // as it was given
	name    string // what its queries are counted as; empty: the DHT's methods
	query   []byte // number zero
	at      int    // where the number stands in the query, big-endian
	replyAt int    // and where in the reply
	size    int    // of the number: 4 bytes, or 2 of them
	// judge says what a reply is that is long enough to hold the number: right (0), an error by its code, or notReply.
	judge func(query, reply []byte) (code int64)
}

// notReply is what payload.judge says of datagrams of another kind.
const notReply = -1

const payloadForms = "dht, bep15, dns:NAME or hex:BYTES with {seq} in them"

// Set reads one of payloadForms.
func (p *payload) Set(text string) (err error) {
	kind, rest, parted := strings.Cut(text, ":")
	switch {
	case text == "dht":
		*p = payload{}
	case text == "bep15":
		*p = connectRequest()
	case kind == "dns" && parted:
		*p, err = dnsQuery(rest)
	case kind == "hex" && parted:
		*p, err = hexQuery(rest)
	default:
		err = errors.New("must be " + payloadForms)
	}
	p.text = text
	return err
}

func (p *payload) String() string {
	if p.text == "" {
		return "dht"
	}
	return p.text
}

// Type is what the help calls the flag's value.
func (p *payload) Type() string { return "PAYLOAD" }

// foreign says whether it is something else than the DHT's queries.
func (p *payload) foreign() bool { return p.name != "" }

// append writes query number seq behind dst.
func (p *payload) append(dst []byte, seq uint32) []byte {
	start := len(dst)
	dst = append(dst, p.query...)
	if at := dst[start+p.at:]; p.size == 2 {
		binary.BigEndian.PutUint16(at, uint16(seq))
	} else {
		binary.BigEndian.PutUint32(at, seq)
	}
	return dst
}

// read says which query a reply answers, and judge's opinion of it.
func (p *payload) read(reply []byte) (seq uint32, code int64) {
	if len(reply) < p.replyAt+p.size {
		return 0, notReply
	}
	if at := reply[p.replyAt:]; p.size == 2 {
		seq = uint32(binary.BigEndian.Uint16(at))
	} else {
		seq = binary.BigEndian.Uint32(at)
	}
	return seq, p.judge(p.query, reply)
}

// fits finds what of a trial the number is too short for: 16 bits must tell all outstanding queries apart.
func (p *payload) fits(q *params, prefix string, timeout time.Duration) error {
	const most = 1 << 16 // of each thread
	threads := q.part.threads()
	switch {
	case p.size != 2:
		return nil
	case q.rate == rateMax && q.window > most*threads:
		return fmt.Errorf("%swindow %d: must be at most %d with --payload %s, whose number has 16 bits", prefix, q.window, most*threads, p)
	case q.peak()*timeout.Seconds() > float64(most*threads):
		return fmt.Errorf("%s%s %v: with --timeout %v more than %d queries could be outstanding, too many for the 16 bits of "+
			"--payload %s, lower one of them", prefix, q.rateName(), q.peak(), timeout, most*threads, p)
	}
	return nil
}

// connectRequest is what a client of a tracker begins with (BEP 15): a magic number, action 0, a transaction id.
func connectRequest() payload {
	const connect = 0
	query := binary.BigEndian.AppendUint64(nil, 0x41727101980)
	query = binary.BigEndian.AppendUint32(query, connect)
	return payload{
		name: "connect", query: append(query, 0, 0, 0, 0), at: 12, replyAt: 4, size: 4,
		judge: func(_, reply []byte) int64 {
			const failed = 3
			switch action := binary.BigEndian.Uint32(reply); {
			case action == connect && len(reply) == 16: // action, transaction id, connection id
				return 0
			case action == failed:
				return failed
			}
			return notReply
		},
	}
}

// dnsQuery asks for the IPv4 address of a name (RFC 1035), and that the server ask others if need be.
func dnsQuery(name string) (payload, error) {
	query := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0} // id, recursion desired, one question
	const header = 12
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return payload{}, fmt.Errorf("name %q: its parts must have 1 to 63 letters, as in dns:example.org", name)
		}
		query = append(append(query, byte(len(label))), label...)
	}
	query = append(query, 0, 0, 1, 0, 1) // the root; type A, class IN
	if len(query) > header+255+4 {
		return payload{}, fmt.Errorf("name %q: must have at most 253 letters", name)
	}
	return payload{
		name: "dns", query: query, size: 2,
		judge: func(query, reply []byte) int64 {
			const isResponse, responseCode = 0x80, 0x0f
			if len(reply) < len(query) || reply[2]&isResponse == 0 || !bytes.Equal(reply[header:len(query)], query[header:]) {
				return notReply
			}
			return int64(reply[3] & responseCode)
		},
	}, nil
}

// hexQuery is any datagram, written in hexadecimal, with {seq} where the number belongs.
func hexQuery(text string) (payload, error) {
	const mark = "{seq}"
	before, after, ok := strings.Cut(text, mark)
	if !ok || strings.Contains(after, mark) {
		return payload{}, fmt.Errorf("hex:%s: must hold one %s, for the four bytes by which a reply is known", text, mark)
	}
	head, err := hex.DecodeString(before)
	tail, err2 := hex.DecodeString(after)
	if err = errors.Join(err, err2); err != nil {
		return payload{}, fmt.Errorf("hex:%s: must be pairs of hexadecimal digits beside %s", text, mark)
	}
	p := payload{name: "hex", query: append(head, 0, 0, 0, 0), at: len(head), replyAt: len(head), size: 4}
	p.query = append(p.query, tail...)
	p.judge = func(_, _ []byte) int64 { return 0 }
	if len(p.query) > udp.MaxDatagram {
		return payload{}, fmt.Errorf("hex:%.20s…: must be at most %d bytes", text, udp.MaxDatagram)
	}
	return p, nil
}
