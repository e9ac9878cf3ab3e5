package main

import (
	"flag"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/internal/transcript"
)

var update = flag.Bool("update", false, "write what the command says now into testdata")

// TestCommandLine runs the command lines in testdata/*.txt, those that begin with "$ ", and compares all that they
// print and exit with.
func TestCommandLine(t *testing.T) { transcript.Files(t, *update, replay) }

// replay runs the commands of a script and returns it with what they say now.
func replay(t *testing.T, script string) string {
	var now strings.Builder
	for line := range strings.Lines(script) {
		args, isCommand := strings.CutPrefix(line, "$ supernode ")
		if isCommand || strings.HasPrefix(line, "#") || line == "\n" {
			now.WriteString(line)
		}
		if !isCommand {
			continue
		}
		stdout, stderr, exit := command(t, strings.Fields(args)...)
		for _, printed := range []struct{ prefix, text string }{{"| ", stdout}, {"! ", stderr}} {
			for line := range strings.Lines(printed.text) {
				now.WriteString(strings.TrimRight(printed.prefix+line, " \n") + "\n")
			}
		}
		fmt.Fprintf(&now, "exit %d\n", exit)
	}
	return now.String()
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		stdout, stderr, exit := command(t, arg)
		require.Regexp(t, `^supernode \S+ go1\.\S+ \w+/\w+\n$`, stdout)
		require.Empty(t, stderr)
		require.Zero(t, exit)
	}
}

func TestCompletion(t *testing.T) {
	stdout, _, exit := command(t, "completion", "bash")
	require.Contains(t, stdout, "supernode")
	require.Zero(t, exit)
}

// TestWrongAddress: addresses that only the kernel can tell to be wrong.
func TestWrongAddress(t *testing.T) {
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer takenUDP.Close()
	takenTCP, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer takenTCP.Close()

	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"UDP port taken": {
			[]string{"--listen", takenUDP.LocalAddr().String()},
			[]string{"--listen", takenUDP.LocalAddr().String(), "another program has this UDP port", "choose another"},
		},
		"TCP port taken": {
			[]string{"--http", takenTCP.Addr().String(), "--listen", "127.0.0.1:0"},
			[]string{"--http", takenTCP.Addr().String(), "another program has this TCP port", "choose another"},
		},
		"address of another machine": {
			[]string{"--listen", "192.0.2.1:6881"},
			[]string{"--listen", "192.0.2.1:6881", "no interface of this machine has this address"},
		},
		"address of another machine for HTTP": {
			[]string{"--http", "192.0.2.1:6880", "--listen", "127.0.0.1:0"},
			[]string{"--http", "192.0.2.1:6880", "no interface of this machine has this address"},
		},
		"interface that is not there": {
			[]string{"--listen", "[fe80::1%nowhere0]:6881"},
			[]string{"--listen", "nowhere0"},
		},
	} {
		for _, backend := range backends {
			t.Run(name+" "+backend, func(t *testing.T) {
				args := append([]string{"--io", backend, "--bootstrap", "none", "--state-dir", "none", "--log-level", "error"}, c.args...)
				if !strings.Contains(strings.Join(args, " "), "--http") {
					args = append(args, "--http", "none")
				}
				stdout, stderr, exit := command(t, args...)
				for _, part := range c.want {
					require.Contains(t, stderr, part)
				}
				require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
				require.Empty(t, stdout)
				require.Equal(t, exitUsage, exit)
			})
		}
	}
}

func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, args := range [][]string{{}, {"run"}, {"--http", "none"}, {"run", "--io", "net"}} {
			t.Run(fmt.Sprint(signal, args), func(t *testing.T) {
				p := start(t, args...)
				require.Zero(t, p.stop(signal), p.messages())
				require.NotNil(t, p.logged("stopped"))
			})
		}
	}
}

// TestFlagsBeforeRun: the flags are those of run, wherever they stand.
func TestFlagsBeforeRun(t *testing.T) {
	p := start(t, "--listen", "127.0.0.2:0", "run", "--batch", "1")
	require.Equal(t, "127.0.0.2", p.listen[0].Addr().String())
	p.stopped()
}
