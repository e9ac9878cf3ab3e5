package dht

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bloomVector is the filter that BEP 33 gives for 192.0.2.0 to 192.0.2.255 and 2001:db8:: to 2001:db8::3e7.
const bloomVector = `
	F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
	FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
	7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
	D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
	FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
	BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
	62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
	FD8F72EF`

func TestBloomVector(t *testing.T) {
	var b, four, six Bloom
	for i := range 256 {
		four.Insert(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		b.Insert(netip.MustParseAddr(fmt.Sprintf("::ffff:192.0.2.%d", i)))
	}
	require.Equal(t, four, b, "an IPv4 address in either form")
	for i := range 1000 {
		a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i >> 8), 15: byte(i)})
		six.Insert(a)
		b.Insert(a)
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(bloomVector), ""))
	require.NoError(t, err)
	require.Equal(t, want, b[:])
	require.InDelta(t, 1224.9308, b.Estimate(), 0.0001)

	four.Union(&six)
	require.Equal(t, b, four)
	b.Insert(netip.Addr{})
	require.Equal(t, four, b)
}

func TestBloomEstimate(t *testing.T) {
	var b Bloom
	require.Zero(t, b.Estimate())
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 4000; n++ {
		b.Insert(netip.AddrFrom4([4]byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())}))
		if n == 1 || n%100 == 0 {
			require.InDelta(t, n, b.Estimate(), 0.5+0.1*float64(n))
		}
	}
	for i := range b {
		b[i] = 0xff
	}
	require.InDelta(t, 7805.7, b.Estimate(), 0.1, "a full filter tells nothing, but it is a number")
}
