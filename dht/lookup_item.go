package dht

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"supernode/dht/wire"
)

// Item is a value that nodes store for others (BEP 44). It is immutable, found by the hash of the value, or
// mutable, found by the hash of a public key and a salt, and then signed and numbered.
type Item struct {
	Value []byte // bencoded, 1 to 1,000 bytes

	Key  []byte // ed25519 public key, 32 bytes; nil: the item is immutable, and what follows means nothing
	Salt []byte // 0 to 64 bytes
	Seq  int64  // the higher, the newer
	Sig  []byte // ed25519 signature, 64 bytes
}

// Put is an item to store. With CAS, nodes are asked to take it only in place of one whose Seq is *CAS.
type Put struct {
	Item
	CAS *int64
}

// SignedItem makes a mutable item, signed with key. The item shares the slices it is given.
func SignedItem(key ed25519.PrivateKey, salt []byte, seq int64, value []byte) Item {
	it := Item{Value: value, Key: key.Public().(ed25519.PublicKey), Salt: salt, Seq: seq}
	it.Sig = SignItem(key, salt, seq, value)
	return it
}

// Target is where the item is found.
func (it *Item) Target() wire.ID {
	if it.Key == nil {
		return ImmutableTarget(it.Value)
	}
	return MutableTarget(it.Key, it.Salt)
}

// check says what keeps it from being the item that belongs at target.
func (it *Item) check(target *wire.ID) error {
	if len(it.Value) == 0 || len(it.Value) > MaxValue {
		return fmt.Errorf("value of %d bytes: must have 1 to %d", len(it.Value), MaxValue)
	}
	if it.Key != nil {
		switch {
		case len(it.Key) != ed25519.PublicKeySize:
			return fmt.Errorf("key of %d bytes: must have %d", len(it.Key), ed25519.PublicKeySize)
		case len(it.Salt) > MaxSalt:
			return fmt.Errorf("salt of %d bytes: must not be longer than %d", len(it.Salt), MaxSalt)
		case len(it.Sig) != ed25519.SignatureSize:
			return fmt.Errorf("signature of %d bytes: must have %d", len(it.Sig), ed25519.SignatureSize)
		case it.Seq < 0:
			return fmt.Errorf("sequence number %d: must not be negative", it.Seq)
		}
	}
	if !wire.Canonical(it.Value) {
		return errors.New("value: must be canonical bencode")
	}
	if it.Target() != *target {
		return errors.New("the item does not belong at the search's Target")
	}
	if it.Key != nil && !VerifyItem(it.Key, it.Salt, it.Seq, it.Value, it.Sig) {
		return errors.New("signature is not the key's over salt, seq and value")
	}
	return nil
}
