package remote

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"supernode/bench/plan"
)

// Client is the harness's side of a session. Its methods may be called by one goroutine at a time; between them the
// client beats by itself.
type Client struct {
	mu      sync.Mutex // of the session
	session *session
	stop    chan struct{}
	beating sync.WaitGroup
	broken  error
}

// Open makes a session over stream, which stays the caller's to close.
func Open(stream Stream, secret []byte) (*Client, error) {
	s, err := shake(stream, secret, Silence)
	if err != nil {
		return nil, fmt.Errorf("open session with the agent: %w", err)
	}
	c := &Client{session: s, stop: make(chan struct{})}
	c.beating.Go(func() {
		tick := time.NewTicker(Silence / 3)
		defer tick.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				_, _ = c.ask(Request{Do: Beat}) // the next request meets the same error
			}
		}
	})
	return c, nil
}

func (c *Client) ask(q Request) (r Reply, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		if err := c.session.send(q); err != nil {
			c.broken = err
		} else if err := c.session.receive(&r); err != nil {
			c.broken = err
		}
	}
	switch {
	case c.broken != nil:
		return r, fmt.Errorf("ask the agent (%s): %w", q.Do, c.broken)
	case r.Error != "":
		return r, fmt.Errorf("the agent says: %s", r.Error)
	}
	return r, nil
}

var errAnswer = errors.New("the agent's answer lacks what was asked for")

// Facts asks what host it is.
func (c *Client) Facts() (Facts, error) {
	r, err := c.ask(Request{Do: AskFacts})
	if err == nil && r.Facts == nil {
		err = errAnswer
	}
	if err != nil {
		return Facts{}, err
	}
	return *r.Facts, nil
}

// SetArm puts an arm's rules in place.
func (c *Client) SetArm(arm plan.Arm) (Proof, error) {
	r, err := c.ask(Request{Do: SetArm, Arm: arm})
	if err == nil && r.Proof == nil {
		err = errAnswer
	}
	if err != nil {
		return Proof{}, err
	}
	return *r.Proof, nil
}

// Read reads the host's clocks.
func (c *Client) Read() (Reading, error) {
	r, err := c.ask(Request{Do: ReadAll})
	if err == nil && r.Reading == nil {
		err = errAnswer
	}
	if err != nil {
		return Reading{}, err
	}
	return *r.Reading, nil
}

// Count counts the port's entries.
func (c *Client) Count() (uint64, error) {
	r, err := c.ask(Request{Do: Count})
	return r.Entries, err
}

// Close ends the session; the agent undoes what it did, and says so.
func (c *Client) Close() error {
	close(c.stop)
	c.beating.Wait()
	_, err := c.ask(Request{Do: End})
	return err
}
