"""A file of desired state: read, checked, and made into what each team is to have."""
