package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/bep44"
	"github.com/anacrolix/dht/v2/exts/getput"
	"github.com/anacrolix/dht/v2/int160"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"supernode/interop/internal/adapter"
)

// id reads 20 bytes of hexadecimal.
func id(text string) (id [20]byte, err error) {
	b, err := hex.DecodeString(text)
	if err == nil && len(b) != len(id) {
		err = fmt.Errorf("%q: not 20 bytes", text)
	}
	copy(id[:], b)
	return id, err
}

func (u *user) announce(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	infoHash, err := id(q.InfoHash)
	if err != nil {
		return answer, err
	}
	before := u.server.Stats().SuccessfulOutboundAnnouncePeerQueries
	if _, err := u.traverse(ctx, infoHash, dht.AnnouncePeer(dht.AnnouncePeerOpts{Port: u.port})); err != nil {
		return answer, err
	}
	if u.server.Stats().SuccessfulOutboundAnnouncePeerQueries == before {
		return answer, errors.New("announced to nobody")
	}
	return answer, nil
}

func (u *user) findNode(q adapter.Request) (answer adapter.Answer, err error) {
	target, err := id(q.Target)
	if err != nil {
		return answer, err
	}
	result := u.server.FindNode(u.node, int160.FromByteArray(target), dht.QueryRateLimiting{})
	if err := result.ToError(); err != nil {
		return answer, err
	}
	result.Reply.R.ForAllNodes(func(n krpc.NodeInfo) {
		answer.Nodes = append(answer.Nodes, n.Addr.ToNodeAddrPort().AddrPort)
	})
	return answer, nil
}

func (u *user) getPeers(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	infoHash, err := id(q.InfoHash)
	if err != nil {
		return answer, err
	}
	peers, err := u.traverse(ctx, infoHash)
	for _, p := range peers {
		answer.Peers = append(answer.Peers, p.ToNodeAddrPort().AddrPort)
	}
	return answer, err
}

// traverse walks towards an info_hash and returns the peers it is told of.
func (u *user) traverse(ctx context.Context, infoHash [20]byte, opts ...dht.AnnounceOpt) (peers []dht.Peer, err error) {
	a, err := u.server.AnnounceTraversal(infoHash, opts...)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	for {
		select {
		case values, ok := <-a.Peers:
			if !ok {
				return peers, nil
			}
			peers = append(peers, values.Peers...)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (u *user) put(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	put := bep44.Put{V: q.Value}
	sign := func(int64) {}
	if q.Do == adapter.PutMutable {
		seed, err := hex.DecodeString(q.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return answer, fmt.Errorf("seed %q: not 32 bytes", q.Seed)
		}
		private := ed25519.NewKeyFromSeed(seed)
		put.K, put.Salt = (*[32]byte)(private.Public().(ed25519.PublicKey)), []byte(q.Salt)
		sign = func(seq int64) {
			put.Seq = seq + 1
			put.Sign(private)
		}
	}
	target := put.Target()
	_, err = getput.Put(ctx, target, u.server, put.Salt, func(seq int64) bep44.Put {
		sign(seq)
		return put
	})
	return adapter.Answer{Target: hex.EncodeToString(target[:])}, err
}

func (u *user) get(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	if q.Do == adapter.GetMutable {
		public, err := hex.DecodeString(q.Public)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return answer, fmt.Errorf("public key %q: not 32 bytes", q.Public)
		}
		target := bep44.MakeMutableTarget([32]byte(public), []byte(q.Salt))
		q.Target = hex.EncodeToString(target[:])
	}
	target, err := id(q.Target)
	if err != nil {
		return answer, err
	}
	result, _, err := getput.Get(ctx, target, u.server, nil, []byte(q.Salt))
	if err != nil {
		return answer, err
	}
	if q.Do == adapter.GetMutable {
		answer.Seq = result.Seq
	}
	return answer, bencode.Unmarshal(result.V, &answer.Value)
}

// sample asks the node itself (BEP 51), for which the library has the messages only.
func (u *user) sample(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	target, err := id(q.Target)
	if err != nil {
		return answer, err
	}
	result := u.server.Query(ctx, u.node, "sample_infohashes", dht.QueryInput{MsgArgs: krpc.MsgArgs{Target: target}})
	if err := result.ToError(); err != nil {
		return answer, err
	}
	r := result.Reply.R
	if r.Samples == nil || r.Num == nil || r.Interval == nil {
		return answer, errors.New("an answer without samples, num or interval")
	}
	for _, infoHash := range *r.Samples {
		answer.Samples = append(answer.Samples, hex.EncodeToString(infoHash[:]))
	}
	answer.Num, answer.Interval = *r.Num, *r.Interval
	return answer, nil
}

// scrape asks the node itself (BEP 33).
func (u *user) scrape(ctx context.Context, q adapter.Request) (answer adapter.Answer, err error) {
	infoHash, err := id(q.InfoHash)
	if err != nil {
		return answer, err
	}
	result := u.server.GetPeers(ctx, u.node, int160.FromByteArray(infoHash), true, dht.QueryRateLimiting{})
	if err := result.ToError(); err != nil {
		return answer, err
	}
	r := result.Reply.R
	if r.BFsd == nil || r.BFpe == nil {
		return answer, errors.New("an answer without filters")
	}
	answer.Seeds, answer.Downloaders = hex.EncodeToString(r.BFsd[:]), hex.EncodeToString(r.BFpe[:])
	return answer, nil
}
