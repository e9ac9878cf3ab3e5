package main

import (
	"encoding/hex"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPayloads(t *testing.T) {
	const seq = 0xaabbccdd
	for _, tt := range []struct {
		text, name, query string // in hexadecimal
		replies           map[string]int64
	}{
		{"bep15", "connect", "0000041727101980" + "00000000" + "aabbccdd", map[string]int64{
			"00000000" + "aabbccdd" + "0102030405060708":                 0,
			"00000000" + "aabbccdd" + "01020304050607":                   notReply, // cut short
			"00000003" + "aabbccdd" + hex.EncodeToString([]byte("busy")): 3,
			"00000001" + "aabbccdd" + "0102030405060708":                 notReply, // an announce's
			"00000000" + "aabbcc":                                        notReply,
			"":                                                           notReply,
		}},
		{"dns:a.org", "dns", "ccdd" + "01000001000000000000" + "0161036f726700" + "00010001", map[string]int64{
			"ccdd" + "81800001000000000000" + "0161036f726700" + "00010001":              0,
			"ccdd" + "81800001000100000000" + "0161036f726700" + "00010001" + "c00c0001": 0,
			"ccdd" + "81850001000000000000" + "0161036f726700" + "00010001":              5,        // refused
			"ccdd" + "01000001000000000000" + "0161036f726700" + "00010001":              notReply, // a query
			"ccdd" + "81800001000000000000" + "0162036f726700" + "00010001":              notReply, // to another question
			"ccdd" + "81800001000000000000":                                              notReply,
			"cc":                                                                         notReply,
		}},
		{"hex:ff{seq}00", "hex", "ffaabbccdd00", map[string]int64{
			"ffaabbccdd":   0,
			"00aabbccddee": 0,
			"ffaabbcc":     notReply,
		}},
	} {
		var p payload
		require.NoError(t, p.Set(tt.text))
		require.Equal(t, tt.text, p.String())
		require.Equal(t, tt.name, p.name)
		require.True(t, p.foreign())
		require.Equal(t, "78"+tt.query, hex.EncodeToString(p.append([]byte("x"), seq)))
		for text, want := range tt.replies {
			reply, err := hex.DecodeString(text)
			require.NoError(t, err)
			got, code := p.read(reply)
			require.Equal(t, want, code, "%s: %s", tt.text, text)
			if code != notReply {
				require.EqualValues(t, uint32(seq)&uint32(1<<(8*p.size)-1), got, "%s: %s", tt.text, text)
			}
		}
	}
	var p payload
	require.Equal(t, "dht", p.String())
	require.NoError(t, p.Set("bep15"))
	require.NoError(t, p.Set("dht"))
	require.False(t, p.foreign())
}

// FuzzPayloadRead: whatever comes, reading it neither fails nor takes a datagram for a reply that lacks the number.
func FuzzPayloadRead(f *testing.F) {
	f.Add("bep15", []byte("\x00\x00\x00\x00aaaabbbbbbbb"))
	f.Add("dns:a.org", []byte("aa\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x03org\x00\x00\x01\x00\x01"))
	f.Add("hex:ff{seq}", []byte("\xffaaaa"))
	f.Fuzz(func(t *testing.T, text string, reply []byte) {
		var p payload
		if p.Set(text) != nil || !p.foreign() {
			return
		}
		_, code := p.read(reply)
		if code != notReply {
			require.GreaterOrEqual(t, len(reply), p.replyAt+p.size)
		}
		query := p.append(nil, 7)
		require.Len(t, query, len(p.query))
		require.LessOrEqual(t, len(query), 1536)
	})
}

// A server of each payload is asked, and every query is accounted for, in both loops.
func TestPayloadsAgainstServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		method string
		answer func(n int, query []byte) []byte
		errors map[int64]uint64 // of 10 queries
	}{
		{"bep15", []string{"--payload", "bep15"}, "connect", func(_ int, q []byte) []byte {
			return append(append(make([]byte, 4), q[12:16]...), "connid.."...)
		}, nil},
		{"dns", []string{"--payload", "dns:example.org"}, "dns", func(n int, q []byte) []byte {
			q[2] |= 0x80
			if n%10 == 3 {
				q[3] |= 5
			}
			return q
		}, map[int64]uint64{5: 1}},
		{"hex", []string{"--payload", "hex:01{seq}02", "--reply-at", "0"}, "hex", func(_ int, q []byte) []byte {
			return q[1:]
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, loop := range [][]string{nil, {"--rate", "max", "--window", "8"}, {"--io", "net"}} {
				conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				require.NoError(t, err)
				asked := make(chan int)
				go func() {
					n := 0
					for buf := make([]byte, 2048); ; n++ {
						size, from, err := conn.ReadFromUDPAddrPort(buf)
						if err != nil {
							break
						}
						_, _ = conn.WriteToUDPAddrPort(tt.answer(n, buf[:size]), from)
					}
					asked <- n
				}()
				args := append(append([]string{"--flows", "5", "--duration", "200ms"}, tt.args...), loop...)
				got := measure(t, append(args, conn.LocalAddr().String())...)
				require.NoError(t, conn.Close())
				require.EqualValues(t, <-asked, got.Sent)
				require.NotZero(t, got.Sent)
				require.Equal(t, got.Sent, got.Answered)
				by := got.MalformedBy
				by.Stray = 0 // what other tests still send to a port that was theirs
				require.Zero(t, by)
				require.Equal(t, map[string]methodCount{tt.method: {got.Sent, got.Sent}}, got.Mix)
				require.Equal(t, tt.args[1], got.Payload)
				wrong := uint64(0)
				for code, of := range tt.errors {
					require.InDelta(t, float64(got.Sent*of)/10, float64(got.Errors[code]), 1)
					wrong += got.Errors[code]
				}
				require.Equal(t, wrong, got.Replies[tt.method].Wrong)
				require.NotZero(t, got.Replies[tt.method].BytesP50)
			}
		})
	}
}

// Sixteen bits find the query again that they belong to, among those of the same flow that came before and after it.
func TestRecent(t *testing.T) {
	const flows = 1000
	o := newOutstanding(1<<18, 1e9, 0xffff_0000)
	for i := range uint32(200_000) {
		o.add(slot{flow: i % flows})
	}
	for i := range uint32(200_000) {
		seq := 0xffff_0000 + i
		got := o.recent(uint16(seq), i%flows)
		require.Equal(t, uint16(seq), uint16(got))
		require.Equal(t, i%flows, o.at(got).flow)
		if 200_000-i <= 1<<16 {
			require.Equal(t, seq, got)
		}
	}
	require.Equal(t, o.head-1, o.recent(uint16(o.head-1), flows), "a flow that there is not")
	young := newOutstanding(1<<12, 1e9, 5)
	young.add(slot{})
	_, v := young.answer(young.recent(77, 0), 0)
	require.Equal(t, verdictUnmatched, v)
}
