package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

func newCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "supernode",
		Short: "a BitTorrent Mainline DHT node for busy servers",
		Long: `supernode runs a BitTorrent Mainline DHT node on one core.

Without arguments it listens on port 6881, IPv4 and IPv6, finds the network through well-known nodes, and shows how it
fares on http://127.0.0.1:6880/.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see supernode --help)", err)}
	})

	runCommand := newRunCommand(stderr)
	root.AddCommand(runCommand, &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "supernode", versionText())
			return err
		},
	})

	// Without a subcommand, run.
	root.Args = noArguments
	root.RunE = runCommand.RunE
	root.Flags().AddFlagSet(runCommand.Flags())
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q (see supernode --help)", args[0])}
	}
	return nil
}

func versionText() string {
	text := version + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				text = s.Value[:min(12, len(s.Value))] + text[len(version):]
			}
		}
	}
	return text
}
