"""Desired state: a file says which webhook configurations doo is to have; a plan says what that takes."""
