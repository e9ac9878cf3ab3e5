package conntrack

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"filter":            "filter",
		"naïve 表":           "naïve 表",
		"\x1b[2Jdone\r\n":   `\x1b[2Jdone\r\n`,
		"a\u009b1mb\u202ec": `a\u009b1mb\u202ec`,
		"\xff\t":            `\xff\t`,
	} {
		require.Equal(t, want, printable(name))
		require.Equal(t, "inet "+want+" in handle 1: notrack",
			fmt.Sprint(Rule{Family: "inet", Table: name, Chain: "in", Handle: 1, What: "notrack"}))
	}
}
