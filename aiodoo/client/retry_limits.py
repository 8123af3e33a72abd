"""How often a request may be sent again, and how long to wait before; backoff does the waiting."""

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
"""Attempts of a read, of a token request, or of a change that was certainly not carried out."""

DELETE_TRIES = 2
"""Attempts of a delete in doubt, which is idempotent."""

RATE_LIMIT_TRIES = 10
"""How many 429s one call accepts."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds."""

OUTAGE_WAIT = 1.5
"""Seconds in the place of `FIRST_WAIT` while doo cannot be reached, so that three tries outlast a second without network."""


class TryAgain(Exception):
    """Tells backoff to try again after `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


def waits() -> Generator[float, Any, None]:
    """Yield the seconds of each `TryAgain`: a wait generator for backoff."""
    again = yield 0.0
    while True:
        again = yield again.wait


def repeated(attempt: Attempt) -> Attempt:
    """Decorate an attempt, so that backoff repeats it as long as it raises `TryAgain`.

    backoff 2.2.1 calls `asyncio.iscoroutinefunction`, which is deprecated in Python 3.14.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return backoff.on_exception(waits, TryAgain, jitter=None, logger=None)(attempt)


def may_repeat(kind: Kind, error: DooError, tries: int) -> bool:
    """Return whether a request that has failed `tries` times, last with `error`, may be sent again.

    A 429 and a refused token are not counted; `retries.py` says what follows them.
    """
    if not kind.is_write or outcome(kind, error) is RequestOutcome.NOT_APPLIED:
        return tries < TRIES and for_try(error) is ForTry.REPEAT
    return kind is Kind.DELETE and tries < DELETE_TRIES and not isinstance(error, UnexpectedRedirect)


def wait_between(tries: int, *, outage: bool = False) -> tuple[float, float]:
    """Return the minimum and maximum wait in seconds after `tries` failures; the wait is drawn uniformly between them.

    Args:
        tries: the number of failures.
        outage: whether doo cannot be reached, although it has answered before.
    """
    longest = min(LONGEST_WAIT, (OUTAGE_WAIT if outage else FIRST_WAIT) * 2.0 ** (tries - 1))
    return (longest / 2 if outage else 0.0), longest
