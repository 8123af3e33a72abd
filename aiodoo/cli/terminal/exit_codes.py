"""The exit codes of commands, and what ends a command with one."""

from __future__ import annotations

from aiodoo.errors import DooError, QuotaExhausted

DONE = 0
FAILED = 1
USAGE = 2
"""The arguments are invalid, or the user did not agree; nothing was changed."""
PARKED = 3
"""The daily quota is spent; resume later."""
PENDING = 4
"""`plan --exit-code` found changes."""


class Declined(Exception):
    """The user did not agree; nothing was changed."""


class WrongUsage(Exception):
    """The arguments of a command are invalid; the message says what to do."""


def code_of(error: DooError) -> int:
    """Return the exit code for an error."""
    return PARKED if isinstance(error, QuotaExhausted) else FAILED
