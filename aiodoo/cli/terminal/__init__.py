"""Terminal input and output of all commands: tables, prompts, progress, signals and exit codes."""
