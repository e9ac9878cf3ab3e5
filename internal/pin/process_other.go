//go:build !linux

package pin

import "errors"

// Thread reports that pinning needs Linux.
func Thread(int) error { return Process(List{0}) }

// Process reports that pinning needs Linux, unless the list is empty.
func Process(cpus List) error {
	if len(cpus) == 0 {
		return nil
	}
	return errors.New("pinning to processors works on Linux only")
}
