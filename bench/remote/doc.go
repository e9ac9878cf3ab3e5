// Package remote lets the server under test run on another host than the generator: an agent there toggles the arms, by
// rules for one port, and reads that host's clocks; the harness here tells it when.
//
// # Protocol
//
// One connection of any kind that carries bytes in order: TCP, or the standard input and output of an agent that some
// other program has started. Lines end in '\n' and hold at most MaxLine bytes. Nothing is encrypted, for nothing said is a
// secret; everything said is authenticated, by a secret of at least MinSecret bytes that both sides have read from a file.
//
//	agent    {"supernode_bench":1,"nonce":"<32 bytes, hexadecimal>"}
//	harness  {"nonce":"<32 bytes>","proof":"HMAC(secret, "harness" nonces)"}
//	agent    {"proof":"HMAC(secret, "agent" nonces)"}
//
// nonces are the agent's and the harness's, in this order; HMAC is HMAC-SHA-256 (RFC 2104). Each side has now shown that
// it knows the secret, and a recording of an earlier session shows nothing. Every further line is
//
//	<HMAC(key, number JSON), 64 hexadecimal digits> <JSON>
//
// where number is 8 bytes, big-endian, counting that side's lines from 0, and key is the sender's own:
// HMAC(secret, "key of the harness" nonces), or "key of the agent". A line that was changed, left out, repeated or sent
// back to its sender ends the session.
//
// The harness asks ([Request]), the agent answers each request with one [Reply]. An agent that hears nothing for
// [Silence] takes the session for lost. There is no request that runs a command, reads a file or names a port: what an
// agent does was said when it was started.
//
// # What is left behind
//
// Nothing. The agent's rules stand in tables that the kernel removes with the process that made them
// (NFT_TABLE_F_OWNER, Linux 5.12), kill -9 included; in every other case the agent removes them itself: when the session
// ends, is lost or falls silent, and when it is asked to stop.
package remote
