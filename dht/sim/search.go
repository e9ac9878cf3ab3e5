package sim

import "supernode/dht"

// Search starts a lookup by the host's node.
func (h *Host) Search(s dht.Search) error {
	if err := h.Node.Search(h.network.now, s); err != nil {
		return err
	}
	h.speak()
	return nil
}
