package internal_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAbuseIsTested: every test that docs/abuse.md says holds a bound is there. A name that ends in … stands for
// all that begin with it.
func TestAbuseIsTested(t *testing.T) {
	page, err := os.ReadFile("../docs/abuse.md")
	require.NoError(t, err)
	out, err := exec.Command("git", "-C", "..", "grep", "-hE", `^func Test\w+\(`, "--", "*_test.go").CombinedOutput()
	require.NoError(t, err, "%s", out)
	named := regexp.MustCompile("`(Test\\w+)(…?)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		want := "func " + m[1] + "("
		if m[2] != "" {
			want = "func " + m[1]
		}
		require.Contains(t, string(out), want, "docs/abuse.md names a test that does not exist")
	}
}
