"""What executes: the actions of a team's steps, and changes of one webhook configuration without a run."""
