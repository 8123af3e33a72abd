"""One call to doo: its deadline, its retries, a token, a slot of the quota, one wire request."""
