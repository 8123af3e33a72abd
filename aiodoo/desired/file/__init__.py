"""Reads and checks a file of desired state, and computes the wanted webhook configurations of each team."""
