"""The ledger that all programs of this user share: a file, or the server that an environment variable names."""

from __future__ import annotations

import os

from aiodoo.errors import ConfigError
from aiodoo.profiles.folders import ledger_path
from aiodoo.quota.ledger import Ledger

LEDGER = "AIODOO_LEDGER"
"""The environment variable with the URL of a Redis or Valkey server, a secret if it contains a password."""


def ledger_is_named() -> bool:
    """Return whether the environment names a server."""
    return bool(os.environ.get(LEDGER))


def shared_ledger() -> Ledger:
    """Return the ledger of `Session.from_env` and `from_profile`, of `Tenants`, and of the command line.

    It is `quota.Redis` for the URL in `AIODOO_LEDGER`, else the file `ledger_path()`.

    Raises:
        ConfigError: the variable holds no such URL, or the extra `redis` is missing.
    """
    if not ledger_is_named():
        from aiodoo.quota.sqlite import SQLite  # noqa: PLC0415  # only one of them is needed

        return SQLite(ledger_path())
    from aiodoo.quota.redis import Redis  # noqa: PLC0415  # likewise

    try:
        return Redis(os.environ[LEDGER])
    except ConfigError as error:
        raise ConfigError(f"the environment variable {LEDGER} is of no use: {error}") from None
