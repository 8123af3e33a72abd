"""From what a team has and what it is to have to a plan: pure, and kept as a file."""
