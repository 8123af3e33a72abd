"""doo's words: how each request is written and each answer read. Pure functions; no network, clock or sleep."""
