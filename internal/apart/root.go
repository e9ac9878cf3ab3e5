// Package apart is for tests that need a piece of the machine to themselves: root to get it, and a network namespace to
// have it in.
package apart

import (
	"os"
	"os/exec"
	"testing"
)

// NeedRoot skips a test that needs root, for namespaces and what is in them.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacking(t, "root")
	}
}

// NeedProgram skips a test that works by a program, or compares with it, where the program is not installed.
func NeedProgram(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Lacking(t, "the program "+name)
	}
}

// Lacking skips a test on a machine without what it needs. A CI machine (CI=true) must have it: there the test fails.
func Lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s, and CI=true says that it is there", what)
	}
	t.Skipf("needs %s, which this machine lacks", what)
}

// Shell runs a command of the shell's in the namespace of the calling thread, and returns all that it prints.
func Shell(t testing.TB, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}
