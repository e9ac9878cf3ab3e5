package dht

import (
	"crypto/ed25519"
	"crypto/sha1"

	"supernode/dht/wire"
)

// Limits of BEP 44, in bytes. A value counts as it is encoded.
const (
	MaxValue = 1000
	MaxSalt  = 64
)

// ImmutableTarget is where the bencoded value v is stored if nobody signs it: its SHA-1 (BEP 44).
func ImmutableTarget(v []byte) wire.ID { return sha1.Sum(v) }

// MutableTarget is where items of the public key k are stored under a salt, which may be empty: the SHA-1 of both
// (BEP 44).
func MutableTarget(k ed25519.PublicKey, salt []byte) wire.ID {
	var buf [ed25519.PublicKeySize + MaxSalt]byte
	return sha1.Sum(append(append(buf[:0], k...), salt...))
}

// maxSigned is the longest buffer that is signed.
const maxSigned = len("4:salt64:") + MaxSalt + len("3:seqi-9223372036854775808e") + len("1:v") + MaxValue

// appendSigned appends the bytes that the signature of a mutable item covers: salt, seq and v as they would stand in
// a dictionary. An empty salt is none.
func appendSigned(dst, salt []byte, seq int64, v []byte) []byte {
	if len(salt) > 0 {
		dst = wire.AppendString(append(dst, "4:salt"...), salt)
	}
	dst = wire.AppendInt(append(dst, "3:seq"...), seq)
	return append(append(dst, "1:v"...), v...)
}

// SignItem makes the signature of a mutable item (BEP 44). priv must be of the length ed25519 wants; v is bencoded.
func SignItem(priv ed25519.PrivateKey, salt []byte, seq int64, v []byte) []byte {
	return ed25519.Sign(priv, appendSigned(nil, salt, seq, v))
}

// VerifyItem reports whether a mutable item is one that nodes store: all lengths are within BEP 44's limits, seq is
// not negative, v is canonical bencode, and sig is the signature over all of it by the owner of the public key k. What
// a stranger sent may be passed as it came.
func VerifyItem(k ed25519.PublicKey, salt []byte, seq int64, v, sig []byte) bool {
	var buf [maxSigned]byte
	return len(k) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize && seq >= 0 && len(salt) <= MaxSalt &&
		len(v) <= MaxValue && wire.Canonical(v) && ed25519.Verify(k, appendSigned(buf[:0], salt, seq, v), sig)
}

// AppendMutableTorrent appends the value of a mutable item that names the current info_hash of a torrent (BEP 46).
func AppendMutableTorrent(dst []byte, infohash wire.ID) []byte {
	return append(wire.AppendString(append(dst, "d2:ih"...), infohash[:]), 'e')
}

// ParseMutableTorrent reads the info_hash out of the value of a mutable item (BEP 46): a dictionary with 20 bytes
// under "ih". Other keys are ignored.
func ParseMutableTorrent(v []byte) (infohash wire.ID, ok bool) {
	if !wire.Canonical(v) {
		return infohash, false
	}
	ih := wire.String(wire.Lookup(v, "ih"))
	if len(ih) != len(infohash) {
		return infohash, false
	}
	return wire.ID(ih), true
}
