package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages, made from what the commands say of themselves.
func manCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages to a directory",
		Long: `Man writes a manual page for each command to a directory, where man finds them if it is one of
those that manpath names.

Exit status:
  0    they are written
  1    they cannot be written
  64   the command line is wrong: it takes one directory`,
		Example: "  mailtwin man ~/.local/share/man/man1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("mailtwin man takes one directory; see mailtwin man --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // a manual is for everybody
				return fmt.Errorf("write manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "MAILTWIN", Section: "1", Source: "mailtwin " + root.Version, Manual: "mailtwin"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			env.print("the manual pages are in %s", show(args[0]))
			return nil
		},
	}
}
