package dht

import (
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/dchest/siphash"
	"supernode/dht/wire"
)

const (
	tokenSize   = 8
	tokenPeriod = Instant(5 * time.Minute)
)

// tokens makes and checks the tokens of BEP 5: a MAC (SipHash-2-4) over the asker's IP address, without its port,
// and the info_hash, under a secret that changes every five minutes. A token is good for the period it was made
// in and the next one. Nothing is stored per token.
//
// The secrets follow from a master and the time, so that workers who have copies make the same tokens.
type tokens struct {
	master  [2]uint64
	period  Instant // number of the current period
	current [2]uint64
	last    [2]uint64
}

func (t *tokens) init(master [2]uint64, now Instant) {
	t.master = master
	t.renew(periodOf(now))
}

// periodOf is the number of the token period that now lies in. Clocks may start below zero, hence the floor.
func periodOf(now Instant) Instant {
	p := now / tokenPeriod
	if now%tokenPeriod < 0 {
		p--
	}
	return p
}

// turn brings the secrets up to date.
func (t *tokens) turn(now Instant) {
	if p := periodOf(now); p != t.period {
		t.renew(p)
	}
}

func (t *tokens) renew(period Instant) {
	t.period = period
	t.current, t.last = t.secret(period), t.secret(period-1)
}

func (t *tokens) secret(period Instant) [2]uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(period))
	lo, hi := siphash.Hash128(t.master[0], t.master[1], b[:])
	return [2]uint64{lo, hi}
}

func mac(secret *[2]uint64, ip netip.Addr, target []byte) uint64 {
	var b [16 + 20]byte
	a := ip.As16()
	copy(b[copy(b[:], a[:]):], target)
	return siphash.Hash(secret[0], secret[1], b[:])
}

// put writes the token for ip and target into dst.
func (t *tokens) put(dst *[tokenSize]byte, now Instant, ip netip.Addr, target []byte) {
	t.turn(now)
	binary.LittleEndian.PutUint64(dst[:], mac(&t.current, ip, target))
}

// valid checks a token that came back.
func (t *tokens) valid(token []byte, now Instant, ip netip.Addr, target *wire.ID) bool {
	if len(token) != tokenSize {
		return false
	}
	t.turn(now)
	for _, secret := range []*[2]uint64{&t.current, &t.last} {
		var want [tokenSize]byte
		binary.LittleEndian.PutUint64(want[:], mac(secret, ip, target[:]))
		if subtle.ConstantTimeCompare(want[:], token) == 1 {
			return true
		}
	}
	return false
}
