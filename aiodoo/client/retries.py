"""Whether a request may be sent again, and how long to wait before; backoff does the waiting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import backoff

from aiodoo.error_meaning import ForTry, for_try
from aiodoo.errors import DooError, UnexpectedRedirect
from aiodoo.protocol.outcome import RequestOutcome, outcome
from aiodoo.protocol.wire import Kind

Attempt = TypeVar("Attempt", bound=Callable[..., Any])

TRIES = 3
"""Tries of a read, a token request, or a change that was proven not to have happened."""

DELETE_TRIES = 2
"""Tries of a delete in doubt: to delete twice is to delete once."""

RATE_LIMIT_TRIES = 10
"""429s that one call puts up with."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0


class TryAgain(Exception):
    """Tells backoff to try again after `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


def told() -> Generator[float, Any, None]:
    """Wait as long as each `TryAgain` says: a wait generator for backoff."""
    again = yield 0.0
    while True:
        again = yield again.wait


def repeated(attempt: Attempt) -> Attempt:
    """Return an attempt that backoff repeats for as long as it raises `TryAgain`.

    backoff 2.2.1 asks asyncio whether it is a coroutine function, which Python 3.14 warns of.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return backoff.on_exception(told, TryAgain, jitter=None, logger=None)(attempt)


def may_repeat(kind: Kind, error: DooError, tries: int) -> bool:
    """Return whether a request that failed so may be sent again, after `tries` such failures.

    Not asked about 429 and a refused token: these are no failures of a try.
    """
    if not kind.is_write or outcome(kind, error) is RequestOutcome.NOT_APPLIED:
        return tries < TRIES and for_try(error) is ForTry.REPEAT
    return kind is Kind.DELETE and tries < DELETE_TRIES and not isinstance(error, UnexpectedRedirect)


def longest_wait(tries: int) -> float:
    """Return the upper end of the wait after `tries` failures; the wait is drawn evenly from 0 up to it."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 1))
