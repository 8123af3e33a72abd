"""aiodoo."""
