"""Carries out calls to doo: deadline, retries, token, quota slot, HTTP request."""
