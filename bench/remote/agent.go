package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"supernode/bench/plan"
)

// Silence is how long a session may be without a request. A harness beats at a third of it.
const Silence = 15 * time.Second

// Host is what an agent can do on its host.
type Host interface {
	Facts() (Facts, error)
	SetArm(arm plan.Arm) (Proof, error)
	Read() (Reading, error)
	Count(ctx context.Context) (uint64, error)
	// Restore undoes what SetArm did. It may be called at any time and again.
	Restore() error
}

// Serve holds one session over stream, and restores the host however it ends. It returns nil when the harness has ended it.
// A ctx that ends, ends the session. The stream is the caller's to close.
func Serve(ctx context.Context, stream Stream, secret []byte, host Host, silence time.Duration) (err error) {
	defer func() {
		if undone := host.Restore(); undone != nil {
			err = errors.Join(err, fmt.Errorf("restore the rules: %w", undone))
		}
	}()
	defer context.AfterFunc(ctx, func() { stream.Close() })()
	n, err := welcomeHarness(stream, secret, silence)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("open session: %w", err)
	}
	for {
		var q Request
		err := n.receive(&q)
		if err == nil {
			err = n.send(answer(ctx, host, q))
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return errors.New("the harness has gone without a word")
		case err != nil:
			return fmt.Errorf("session: %w", err)
		case q.Do == End:
			return nil
		}
	}
}

// answer does what is asked.
func answer(ctx context.Context, host Host, q Request) (r Reply) {
	err := func() error {
		switch q.Do {
		case AskFacts:
			facts, err := host.Facts()
			r.Facts = &facts
			return err
		case SetArm:
			proof, err := host.SetArm(q.Arm)
			r.Proof = &proof
			return err
		case ReadAll:
			reading, err := host.Read()
			r.Reading = &reading
			return err
		case Count:
			var err error
			r.Entries, err = host.Count(ctx)
			return err
		case Beat:
			return nil
		case End:
			return host.Restore()
		}
		return fmt.Errorf("request %.20q is unknown: take the same build on both hosts", string(q.Do))
	}()
	if err != nil {
		return Reply{Error: err.Error()}
	}
	return r
}
