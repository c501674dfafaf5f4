package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// completionCommand prints what makes a shell complete commands, flags and the names of accounts.
func completionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what makes a shell complete mailtwin's commands",
		Long: `Completion prints a script for a shell, which then completes commands, flags and the names of your
accounts. Have your shell read it when it starts, as the examples show.

Exit status:
  0    it was printed
  64   the command line names no shell that is known`,
		Example: `  echo 'source <(mailtwin completion bash)' >> ~/.bashrc
  echo 'source <(mailtwin completion zsh)' >> ~/.zshrc
  mailtwin completion fish > ~/.config/fish/completions/mailtwin.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)(cmd, args); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "zsh":
				return root.GenZshCompletion(env.stdout)
			case "fish":
				return root.GenFishCompletion(env.stdout, true)
			}
			return root.GenBashCompletionV2(env.stdout, true)
		},
	}
}

// completeAccounts offers the accounts that the configuration has and the command line has not.
func (env *environment) completeAccounts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := env.loadConfig(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp // a shell has no place for what is wrong with it
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(c.Accounts)), func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}
