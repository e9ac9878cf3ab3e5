package remote

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Version is that of the protocol.
const Version = 1

const (
	// MinSecret is how many bytes a secret must have.
	MinSecret = 16
	maxSecret = 4096
	nonceSize = 32
	// handshakeTime is how long the agent may take to show that it knows the secret: it may have a stranger to see off first.
	handshakeTime = 10 * time.Second
	// strangerTime is how long a harness may take to show that it does. Whoever calls keeps others waiting for so long.
	strangerTime = 3 * time.Second
)

// ReadSecret reads the secret that both sides share. A file that others may read holds none.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read secret: others may read %s: chmod 600 %s", path, path)
	}
	secret, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	secret = bytes.TrimRight(secret, "\r\n")
	if len(secret) < MinSecret || len(secret) > maxSecret {
		return nil, fmt.Errorf("read secret: %s has %d bytes, want %d to %d: head -c 32 /dev/urandom | base64 > %s",
			path, len(secret), MinSecret, maxSecret, path)
	}
	return secret, nil
}

// Stream is what a session runs over: a net.Conn, or two pipes.
type Stream interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// session is one side's half of an authenticated connection.
type session struct {
	stream   Stream
	in       *bufio.Reader
	out, hi  channel // what this side sends, what it hears
	patience time.Duration
}

// The first three lines.
type (
	greeting struct {
		Version int    `json:"supernode_bench"`
		Nonce   string `json:"nonce"`
	}
	claim struct {
		Nonce string `json:"nonce"`
		Proof string `json:"proof"`
	}
	welcome struct {
		Proof string `json:"proof,omitempty"`
		Error string `json:"error,omitempty"`
	}
)

// errSecret is what a side says that was not shown the secret.
var errSecret = errors.New("the other side does not know the secret: both must read the same file's content")

// shake makes the harness's half of a session.
func shake(s Stream, secret []byte, patience time.Duration) (*session, error) {
	n := &session{stream: s, in: bufio.NewReaderSize(s, MaxLine), patience: patience}
	if err := s.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, err
	}
	var hello greeting
	if err := n.plain(&hello); err != nil {
		return nil, err
	}
	if hello.Version != Version {
		return nil, fmt.Errorf("the agent speaks version %d of the protocol, this is version %d: take the same build on both hosts", hello.Version, Version)
	}
	theirs, err := nonceOf(hello.Nonce)
	if err != nil {
		return nil, err
	}
	ours := newNonce()
	nonces := append(theirs, ours...)
	if err := n.say(claim{Nonce: hex.EncodeToString(ours), Proof: hex.EncodeToString(prove(secret, "harness", nonces))}); err != nil {
		return nil, err
	}
	var w welcome
	if err := n.plain(&w); err != nil {
		return nil, fmt.Errorf("%w (%w)", errSecret, err)
	}
	if w.Error != "" {
		return nil, fmt.Errorf("the agent says: %s", w.Error)
	}
	if !same(w.Proof, prove(secret, "agent", nonces)) {
		return nil, errSecret
	}
	n.out.key, n.hi.key = prove(secret, "key of the harness", nonces), prove(secret, "key of the agent", nonces)
	return n, nil
}

// welcomeHarness makes the agent's half.
func welcomeHarness(s Stream, secret []byte, patience time.Duration) (*session, error) {
	n := &session{stream: s, in: bufio.NewReaderSize(s, MaxLine), patience: patience}
	if err := s.SetDeadline(time.Now().Add(strangerTime)); err != nil {
		return nil, err
	}
	ours := newNonce()
	if err := n.say(greeting{Version: Version, Nonce: hex.EncodeToString(ours)}); err != nil {
		return nil, err
	}
	var c claim
	if err := n.plain(&c); err != nil {
		return nil, err
	}
	theirs, err := nonceOf(c.Nonce)
	if err != nil {
		return nil, err
	}
	nonces := append(ours, theirs...)
	if !same(c.Proof, prove(secret, "harness", nonces)) {
		return nil, errors.Join(errSecret, n.say(welcome{Error: "wrong secret"}))
	}
	if err := n.say(welcome{Proof: hex.EncodeToString(prove(secret, "agent", nonces))}); err != nil {
		return nil, err
	}
	n.out.key, n.hi.key = prove(secret, "key of the agent", nonces), prove(secret, "key of the harness", nonces)
	return n, nil
}

// say sends a line without authentication.
func (n *session) say(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = n.stream.Write(append(line, '\n'))
	}
	return err
}

// plain reads a line without authentication.
func (n *session) plain(v any) error {
	line, err := readLine(n.in)
	if err != nil {
		return err
	}
	return decode(line, v)
}

// send sends a line.
func (n *session) send(v any) error {
	line, err := n.out.seal(v)
	if err != nil {
		return err
	}
	if err := n.stream.SetDeadline(time.Now().Add(n.patience)); err != nil {
		return err
	}
	_, err = n.stream.Write(line)
	return err
}

// receive reads the next line.
func (n *session) receive(v any) error {
	if err := n.stream.SetDeadline(time.Now().Add(n.patience)); err != nil {
		return err
	}
	line, err := readLine(n.in)
	if err != nil {
		return err
	}
	return n.hi.open(line, v)
}

func newNonce() []byte {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails
	return nonce
}

func nonceOf(text string) ([]byte, error) {
	nonce, err := hex.DecodeString(text)
	if err != nil || len(nonce) != nonceSize {
		return nil, fmt.Errorf("a nonce of %d characters, want %d hexadecimal digits: is this an agent of supernode's bench?", len(text), 2*nonceSize)
	}
	return nonce, nil
}

// prove is HMAC-SHA-256 under the secret.
func prove(secret []byte, what string, nonces []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(what))
	h.Write(nonces)
	return h.Sum(nil)
}

func same(digits string, want []byte) bool {
	got, err := hex.DecodeString(digits)
	return err == nil && hmac.Equal(got, want)
}
