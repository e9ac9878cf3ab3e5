package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"supernode/internal/buildinfo"
)

// version is set by the linker; without that it is what Go knows of the module and the commit.
var version = ""

// helpWidth is the longest line of --help, in columns.
const helpWidth = "100"

func newCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "supernode",
		Short: "a BitTorrent Mainline DHT node for busy servers",
		Long: `supernode runs a BitTorrent Mainline DHT node on one core.

Without arguments it listens on port 6881, IPv4 and IPv6, finds the network through well-known nodes, and
shows how it fares on http://127.0.0.1:6880/.`,
		Example: `  supernode --listen 192.0.2.1:6881 --listen '[2001:db8::1]:6881'
  supernode --listen 127.0.0.1:6882 --bootstrap none --http 127.0.0.1:6883   # a node for tests`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("supernode {{.Version}}\n")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped "+helpWidth+" "))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })

	runCommand := newRunCommand(stderr)
	root.AddCommand(runCommand, newDoctorCommand(), &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "supernode", versionText())
			return err
		},
	})
	// Without a subcommand, run.
	root.RunE = runCommand.RunE
	root.Flags().SortFlags = false
	root.Flags().AddFlagSet(runCommand.Flags())

	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	takeNoArguments(root)
	return root
}

// takeNoArguments makes a word behind a command an error of usage, so that a mistyped command is not taken for
// "run" or for a request for help.
func takeNoArguments(c *cobra.Command) {
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(args[0])
		}
		return nil
	}
	if c.Name() == "help" { // its arguments name a command
		c.Args = func(_ *cobra.Command, args []string) error {
			if _, rest, err := c.Root().Find(args); err != nil || len(rest) > 0 {
				return unknownCommand(strings.Join(args, " "))
			}
			return nil
		}
	}
	if !c.Runnable() {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	for _, sub := range c.Commands() {
		takeNoArguments(sub)
	}
}

func unknownCommand(name string) error {
	return usageError{fmt.Errorf("unknown command %q (see supernode --help)", name)}
}

// flagError says in our own words what pflag found wrong.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usageError{fmt.Errorf("%w (see supernode --help)", err)}
	}
	mend := errors.Unwrap(invalid)
	if errors.As(mend, new(*strconv.NumError)) {
		mend = errors.New("must be a whole number")
		if invalid.GetFlag().Value.Type() == "bool" {
			mend = errors.New("must be true or false")
		}
	}
	if invalid.GetFlag().Value.Type() == "duration" {
		mend = errors.New("must be a time, as in 5m")
	}
	return usageError{fmt.Errorf("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), mend)}
}

func versionText() string { return buildinfo.Version(version) }
