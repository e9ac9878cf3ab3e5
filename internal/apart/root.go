// Package apart is for tests that need a piece of the machine to themselves: root to get it, and a network namespace to
// have it in.
package apart

import (
	"os"
	"testing"
)

// NeedRoot skips a test that needs root. A CI machine (CI=true) must have it: there the test fails.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root, and CI=true says that it is there")
	}
	t.Skip("needs root, for namespaces and what is in them")
}
