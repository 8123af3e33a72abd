"""Executes the actions of `TeamSteps`, and changes of one webhook configuration without a run."""
