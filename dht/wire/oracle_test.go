//go:build !386 && !arm && !mips && !mipsle

// On machines of 32 bits the oracle keeps ports and error codes in 32, which would be one difference more.

package wire

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
)

// The oracle is another codec for the same messages, written by others: anacrolix/dht's krpc. This file puts
// what it decodes into our terms; differential_test.go compares.

// oracleParse decodes b with the oracle. A panic of its is an error, too.
func oracleParse(b []byte) (msg krpc.Msg, err error) {
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(runtime.Error); ok {
				err = fmt.Errorf("%w: %w", errOraclePanics, e)
				return
			}
			err = fmt.Errorf("decode message: %v", r)
		}
	}()
	err = bencode.Unmarshal(b, &msg)
	return msg, err
}

var errOraclePanics = errors.New("the oracle panics")

// fromOracle is the Message that the oracle's msg means, as far as it says.
func fromOracle(msg krpc.Msg) (m Message) {
	if len(msg.Y) == 1 {
		m.Kind = Kind(msg.Y[0])
	}
	m.T = []byte(msg.T)
	m.Version = []byte(msg.ClientId)
	m.ReadOnly = msg.ReadOnly
	if msg.IP.IP != nil {
		m.IP, _ = msg.IP.MarshalBinary()
	}
	switch {
	case m.Kind == Query:
		m.Name = []byte(msg.Q)
		m.Method = MethodByName(m.Name)
		if msg.A != nil {
			fromOracleArgs(*msg.A, &m)
		}
	case m.Kind == Response && msg.R != nil:
		fromOracleReturn(*msg.R, &m)
	case m.Kind == Error && msg.E != nil:
		m.Code = int64(msg.E.Code)
		m.Text = []byte(msg.E.Msg)
	}
	return m
}

func fromOracleArgs(a krpc.MsgArgs, m *Message) {
	m.ID, m.InfoHash, m.Target = a.ID[:], a.InfoHash[:], a.Target[:]
	m.Token = []byte(a.Token)
	if a.Port != nil {
		m.Has |= HasPort
		m.Port = int64(*a.Port)
	}
	m.ImpliedPort, m.NoSeed, m.Scrape = a.ImpliedPort, a.NoSeed != 0, a.Scrape != 0
	if slices.Contains(a.Want, krpc.WantNodes) {
		m.Want |= Want4
	}
	if slices.Contains(a.Want, krpc.WantNodes6) {
		m.Want |= Want6
	}
	if a.V != nil {
		m.Value = bencode.MustMarshal(a.V)
	}
	if a.Seq != nil {
		m.Has |= HasSeq
		m.Seq = *a.Seq
	}
	if a.Cas != 0 {
		m.Has |= HasCAS
		m.CAS = a.Cas
	}
	m.Key, m.Sig, m.Salt = a.K[:], a.Sig[:], a.Salt
}

func fromOracleReturn(r krpc.Return, m *Message) {
	m.ID = r.ID[:]
	m.Nodes, _ = r.Nodes.MarshalBinary()
	m.Nodes6, _ = r.Nodes6.MarshalBinary()
	if r.Token != nil {
		m.Token = []byte(*r.Token)
	}
	for _, v := range r.Values {
		b, _ := v.MarshalBinary()
		m.Values = AppendString(m.Values, b)
	}
	if r.BFsd != nil {
		m.BFsd = r.BFsd[:]
	}
	if r.BFpe != nil {
		m.BFpe = r.BFpe[:]
	}
	for _, n := range []struct {
		has  Has
		from *int64
		to   *int64
	}{{HasInterval, r.Interval, &m.Interval}, {HasNum, r.Num, &m.Num}, {HasSeq, r.Seq, &m.Seq}} {
		if n.from != nil {
			m.Has |= n.has
			*n.to = *n.from
		}
	}
	if r.Samples != nil {
		for _, s := range *r.Samples { // its own MarshalBinary panics
			m.Samples = append(m.Samples, s[:]...)
		}
	}
	m.Value, m.Key, m.Sig = r.V, r.K[:], r.Sig[:]
}
