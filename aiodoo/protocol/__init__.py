"""doo's protocol: builds requests and parses answers. Pure functions, without network, clock or sleep."""
