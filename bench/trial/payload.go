package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
)

// Check has the generator look at what it is to ask the server, at rate queries a second, while there is neither a lab nor
// a server. The error is what the generator says of it, which names the flags --payload, --reply-at and --rate. Nothing is
// sent.
func (s Setup) Check(ctx context.Context, rate int) error {
	nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 9) // RFC 863
	s.Flows = 1
	cmd := exec.CommandContext(ctx, s.Generator, append(s.arguments(), "--rate", strconv.Itoa(rate), nobody.String())...)
	var said bytes.Buffer
	cmd.Stderr = &said // its input is empty, so that it ends when it has started
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && said.Len() > 0 {
		_, text, _ := strings.Cut(strings.TrimSpace(said.String()), ": ") // after its name
		return errors.New(text)
	}
	if err != nil {
		return fmt.Errorf("have %s check the payload: %w", s.Generator, err)
	}
	return nil
}
