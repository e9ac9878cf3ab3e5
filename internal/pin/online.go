package pin

import (
	"fmt"
	"os"
	"strings"
)

// Online is the processors that the machine has and runs, whichever of them this process may use: on Linux, from sysfs.
func Online() (List, error) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("count processors: %w", err)
	}
	var online List
	if err := online.Set(strings.TrimSpace(string(text))); err != nil {
		return nil, fmt.Errorf("count processors: %w", err)
	}
	return online, nil
}
