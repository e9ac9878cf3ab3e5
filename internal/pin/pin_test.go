package pin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListSet(t *testing.T) {
	for _, c := range []struct {
		text, want, err string
	}{
		{text: "0", want: "0"},
		{text: "0,2-4,7", want: "0,2,3,4,7"},
		{text: "1023", want: "1023"},
		{text: "0-1,1,0", want: "0,1"},
		{text: "", err: `""`},
		{text: "1024", err: `"1024"`},
		{text: "3-1", err: `"3-1"`},
		{text: "0,x", err: `"x"`},
		{text: "-1", err: `"-1"`},
		{text: "1-", err: `"1-"`},
	} {
		l := List{9}
		err := l.Set(c.text)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			require.Equal(t, "9", l.String(), "a wrong list changes nothing")
			continue
		}
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, l.String())
	}
}
