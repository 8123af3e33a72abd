"""What every command does at a terminal: output, questions, progress, signals and exit codes."""
