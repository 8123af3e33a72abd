"""Plain forms: JSON that takes operations, outcomes, reports and errors from one machine to another."""
