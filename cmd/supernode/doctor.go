package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDoctorCommand() *cobra.Command {
	var cure cureOptions
	var port uint16
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Mend what connection tracking does to a UDP server",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cure.asked() {
				return usageError{errors.New("doctor: choose --entries, --flush, --fix notrack or --undo")}
			}
			return runCure(cmd.Context(), cure, port, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().Uint16Var(&port, "port", 6881, "UDP `PORT` of the server")
	cure.register(cmd.Flags())
	return cmd
}
