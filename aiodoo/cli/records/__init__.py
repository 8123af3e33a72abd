"""What the commands print as JSON: one shape for each kind of record, with a JSON Schema."""
