package remote

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine is how long a line may be, its end included. The longest that is sent has a tenth of it.
const MaxLine = 64 << 10

// ErrForged is the error of a line that the other side has not sent, or not as it is, or not now.
var ErrForged = errors.New("a line is not authentic: it was changed, left out or repeated on the way, or the secrets differ")

// readLine reads a line without its end, and no more than MaxLine bytes of one. The line is good until the next read. The
// reader's buffer must have MaxLine bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("a line of more than %d bytes", MaxLine)
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return line[:len(line)-1], nil
}

// channel is one direction of a session.
type channel struct {
	key    []byte
	number uint64 // of the next line
}

const macDigits = 2 * sha256.Size

// mac authenticates the next line.
func (c *channel) mac(text []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(binary.BigEndian.AppendUint64(nil, c.number))
	h.Write(text)
	return h.Sum(nil)
}

// seal makes the line that says v.
func (c *channel) seal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(text)+macDigits+2 > MaxLine {
		return nil, fmt.Errorf("%d bytes are too long for a line", len(text))
	}
	line := hex.AppendEncode(make([]byte, 0, macDigits+2+len(text)), c.mac(text))
	c.number++
	line = append(append(append(line, ' '), text...), '\n')
	return line, nil
}

// open reads what a line says into v. After an error the session is over.
func (c *channel) open(line []byte, v any) error {
	if len(line) < macDigits+1 || line[macDigits] != ' ' {
		return ErrForged
	}
	text := line[macDigits+1:]
	got := make([]byte, sha256.Size)
	if _, err := hex.Decode(got, line[:macDigits]); err != nil || !hmac.Equal(got, c.mac(text)) {
		return ErrForged
	}
	c.number++
	return decode(text, v)
}

// decode reads one JSON value without fields that v does not have.
func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read %.80q: %w", text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %.80q: more than one value", text)
	}
	return nil
}
