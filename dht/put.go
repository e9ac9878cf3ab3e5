package dht

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"

	"supernode/dht/wire"
)

// The texts of the errors that only put has.
var (
	textNoValue     = []byte("v: missing")
	textValueSize   = []byte("v: longer than 1000 bytes")
	textValueForm   = []byte("v: not canonical bencode")
	textSaltSize    = []byte("salt: longer than 64 bytes")
	textNoKey       = []byte("k: missing, or not 32 bytes")
	textNoSig       = []byte("sig: missing, or not 64 bytes")
	textNoSeq       = []byte("seq: missing, or not an integer from 0 on")
	textSignature   = []byte("sig: not k's signature of salt, seq and v")
	textCAS         = []byte("cas: not the seq that is stored")
	textSeqTooLow   = []byte("seq: less than what is stored")
	textSeqTaken    = []byte("seq: stored with another v")
	textOtherItem   = []byte("target: taken by an item of another key")
	textItemsFull   = []byte("item store is full, or your share of it")
	textTooManyPuts = []byte("too many signatures to check: try again later")
)

// checkPut is what is wrong with the arguments of a put, apart from what they mean together. A code of zero: nothing.
func checkPut(m *wire.Message) (code uint16, text []byte) {
	switch {
	case m.Value == nil:
		return wire.CodeProtocol, textNoValue
	case len(m.Value) > MaxValue:
		return wire.CodeValueTooBig, textValueSize
	case len(m.Salt) > MaxSalt:
		return wire.CodeSaltTooBig, textSaltSize
	case m.Key == nil && (m.Sig != nil || len(m.Salt) > 0 || m.Has&wire.HasCAS != 0), // meant to be mutable
		m.Key != nil && len(m.Key) != ed25519.PublicKeySize:
		return wire.CodeProtocol, textNoKey
	case m.Key != nil && len(m.Sig) != ed25519.SignatureSize:
		return wire.CodeProtocol, textNoSig
	case m.Key != nil && (m.Has&wire.HasSeq == 0 || m.Seq < 0):
		return wire.CodeProtocol, textNoSeq
	}
	return 0, nil
}

// put stores an item (BEP 44), or lets one that is stored live on. The checks come in the order of what they cost, the
// signature last: it is looked at only if the token is good, and everything else.
func (n *Node) put(now Instant, src netip.AddrPort, m *wire.Message) (code uint16, text []byte) {
	if code, text := checkPut(m); code != 0 {
		return code, text
	}
	it := item{value: m.Value}
	if m.Key != nil {
		it.key, it.sig, it.salt, it.seq = m.Key, m.Sig, m.Salt, m.Seq
	}
	if !n.trusts(m.ID, src) {
		return wire.CodeProtocol, textSecure
	}
	if len(m.Token) != tokenSize {
		return wire.CodeProtocol, textToken // before anything is hashed
	}
	target := it.target()
	if !n.tokens.valid(m.Token, now, src.Addr(), &target) {
		return wire.CodeProtocol, textToken
	}
	if !wire.Canonical(it.value) {
		return wire.CodeProtocol, textValueForm
	}
	n.holdItems()
	defer n.freeItems()
	if code, text, done := n.items.judge(now, &target, &it, m); done {
		return code, text
	}
	if !n.items.takes(&target, src.Addr()) {
		return wire.CodeServer, textItemsFull
	}
	source := sourceOf(src.Addr())
	if it.key != nil {
		if !n.items.mayCheck(now, source) {
			return wire.CodeServer, textTooManyPuts
		}
		if !n.verify(&it) {
			n.items.wasFalse(now, source)
			return wire.CodeInvalidSignature, textSignature
		}
		if code, text, done := n.items.judge(now, &target, &it, m); done { // another worker was faster
			return code, text
		}
	}
	if !n.items.put(now, 0, &target, &it, source) {
		return wire.CodeServer, textItemsFull
	}
	return 0, nil
}

// verify checks the signature of an item. It takes as long as a hundred queries: no other worker waits for it.
func (n *Node) verify(it *item) bool {
	n.freeItems()
	n.leave()
	ok := VerifyItem(it.key, it.salt, it.seq, it.value, it.sig)
	n.enter()
	n.holdItems()
	return ok
}

// judge judges the item it, which the put m brought, against the one that is stored under its target, which lives on if
// it is the very same. done says that there is nothing more to do than to return code and text.
func (s *itemStore) judge(now Instant, target *wire.ID, it *item, m *wire.Message) (code uint16, text []byte, done bool) {
	stored, i, ok := s.get(now, target)
	if !ok {
		return 0, nil, false
	}
	code, text, same := replaces(&stored, it, m)
	if same {
		s.refresh(now, i)
	}
	return code, text, same || code != 0
}

// replaces judges the item it, which the put m brought and whose signature was not looked at yet, against the one
// that is stored under its target. same says that it is the very same, so that its signature is known to be right.
func replaces(stored, it *item, m *wire.Message) (code uint16, text []byte, same bool) {
	switch {
	case !bytes.Equal(stored.key, it.key) || !bytes.Equal(stored.salt, it.salt):
		// The bytes of a value can be those of some key and salt, whose owner made them so.
		return wire.CodeProtocol, textOtherItem, false
	case m.Has&wire.HasCAS != 0 && m.CAS != stored.seq:
		return wire.CodeCASMismatch, textCAS, false
	case it.seq < stored.seq:
		return wire.CodeSeqTooLow, textSeqTooLow, false
	case it.seq > stored.seq:
		return 0, nil, false
	case !bytes.Equal(stored.value, it.value):
		return wire.CodeSeqTooLow, textSeqTaken, false
	}
	return 0, nil, bytes.Equal(stored.sig, it.sig)
}
