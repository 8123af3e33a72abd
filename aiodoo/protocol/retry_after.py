"""Parses the Retry-After header."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import MultiMapping

UNREADABLE_FLOOR: Final = 60.0
"""Seconds to wait if the header is present but invalid or implausible."""

LONGEST: Final = 7 * 24 * 3600.0
"""Seconds; a longer wait is implausible."""

_SECONDS = re.compile(r"[0-9]{1,10}")


def parse(headers: MultiMapping[str]) -> float | None:
    """Return the seconds to wait according to an answer's headers.

    A date is compared with the answer's own `Date`, so that the local clock does not matter.

    Returns:
        None if there is no such header; `UNREADABLE_FLOOR` if the header is invalid, negative, in the past, over a
        week ahead, given twice with different values, or a date in an answer without a `Date`.
    """
    values = {value.strip() for value in headers.getall("Retry-After", [])}
    if not values:
        return None
    if len(values) > 1:
        return UNREADABLE_FLOOR
    value = values.pop()
    seconds = float(value) if _SECONDS.fullmatch(value) else _until(value, headers)
    return seconds if seconds is not None and 0.0 <= seconds <= LONGEST else UNREADABLE_FLOOR


def _until(value: str, headers: MultiMapping[str]) -> float | None:
    then, now = _moment(value), _moment(headers.get("Date", ""))
    return None if then is None or now is None else (then - now).total_seconds()


def _moment(value: str) -> datetime | None:
    """Return the time of an HTTP date, in UTC if it has no zone; None if it is invalid."""
    if len(value) > 64 or not value.isascii():
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
