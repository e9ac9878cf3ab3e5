package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"supernode/bench/lab"
)

func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Build or remove the two network namespaces by hand",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "up",
		Short: "Build a lab that stays until lab clean",
		Args:  noArguments,
		RunE:  labUp,
	}, &cobra.Command{
		Use:   "clean",
		Short: "Remove labs that lab up made or a killed run left behind, and what runs in them",
		Args:  noArguments,
		RunE:  labClean,
	})
	return cmd
}

func labUp(cmd *cobra.Command, _ []string) error {
	if err := needRoot(); err != nil {
		return err
	}
	spec := lab.Default()
	spec.Keep = true
	l, err := lab.Up(cmd.Context(), spec)
	if err != nil {
		return fmt.Errorf("build lab: %w", err)
	}
	spec = l.Spec()
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "server  ip netns exec %s …   answers on %v and %v\n", l.Namespace(lab.Server), l.ServerEndpoint(), l.ServerEndpoint6())
	fmt.Fprintf(out, "client  ip netns exec %s …   owns %v and %v\n", l.Namespace(lab.Client), spec.Sources4, spec.Sources6)
	for _, warning := range append(l.Warnings(), l.Shared()...) {
		fmt.Fprintln(out, "note:", warning)
	}
	fmt.Fprintln(out, "remove it with: bench lab clean")
	return nil
}

func labClean(cmd *cobra.Command, _ []string) error {
	if err := needRoot(); err != nil {
		return err
	}
	removed, err := lab.Clean()
	for _, name := range removed {
		fmt.Fprintln(cmd.OutOrStdout(), "removed", name)
	}
	if err == nil && len(removed) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to remove")
	}
	return err
}
