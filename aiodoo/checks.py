"""What callers pass, checked before anything is sent; no check shows a value."""

from __future__ import annotations

import inspect
import ipaddress
import math
from collections.abc import Collection
from typing import Final, TypeGuard, TypeVar

from aiodoo.errors import ConfigError

T = TypeVar("T")


def plain_text(value: T) -> T:
    """Return a text of a subclass of str, such as a template's safe string or a `StrEnum` member, as a plain str.

    Anything else is returned as it is. JSON and URL libraries take plain texts only.
    """
    if type(value) is str or not isinstance(value, str):
        return value
    return str.__str__(value)  # type: ignore[return-value]  # a str in place of what is more than one


def storable(text: str) -> str:
    """Return a text, such as the name of a file in any encoding, as UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_text(value: object) -> bool:
    """Tell whether it is text that UTF-8 can hold."""
    try:
        return isinstance(value, str) and str.encode(value) is not None
    except UnicodeEncodeError:
        return False


MOST: Final = 2**63 - 1
"""The largest whole number that is taken: JSON, SQLite and clocks hold no larger one."""


def is_finite(value: object) -> TypeGuard[float]:
    """Tell whether it is a number that is neither NaN nor infinite, nor too large for a float."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_count(value: object) -> TypeGuard[int]:
    """Tell whether it is a whole number from 1 on, and not a bool, that JSON and SQLite can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def number_text(value: int) -> str | None:
    """Return a whole number as text; None if it has more digits than Python writes."""
    try:
        return str(int(value))
    except ValueError:
        return None


def can_be_host(host: str) -> bool:
    """Tell whether an ASCII host can be resolved, or is an address: no part is empty or too long, and 1.2.3.999 is none."""
    if ":" in host:
        return _is_address(host)
    labels = host.split(".")
    if len(host) > 253 or not all(1 <= len(label) <= 63 for label in labels):
        return False
    return not labels[-1].isdecimal() or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def printable(text: str) -> str:
    """Return what stands in somebody's file as it may be printed: control characters of a terminal escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def check_seconds(value: object, name: str, *, least: float = 0.0) -> float:
    """Return a number of seconds.

    Args:
        value: what was passed.
        name: of the argument.
        least: 0, or something above it for what must not be 0.

    Raises:
        ConfigError: it is something else, such as NaN.
    """
    if is_finite(value) and least <= value:
        return value
    words = "0 or more" if least == 0 else "above 0"
    raise ConfigError(f"{name} must be a number of seconds, {words}; nothing was sent")


def check_choice(value: object, name: str, choices: Collection[str]) -> None:
    """Raise ConfigError unless it is one of these words."""
    if value not in choices:
        words = " or ".join(f'"{choice}"' for choice in choices)
        raise ConfigError(f"{name} must be {words}; nothing was sent")


def check_kind(value: object, name: str, kind: type | tuple[type, ...], words: str) -> None:
    """Raise ConfigError unless it is of this kind, which `words` name."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} must be {words}, not {type(value).__name__}; nothing was sent")


def check_flag(value: object, name: str) -> None:
    """Raise ConfigError unless it is True or False: "no" would be taken for True."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False; nothing was sent")


def check_words(value: object, name: str) -> None:
    """Raise ConfigError unless it is text that a file can keep; None is for no text."""
    if value is None:
        return
    try:
        if isinstance(value, str) and value.encode() is not None:
            return
    except UnicodeEncodeError:
        pass
    raise ConfigError(f"{name} must be text; nothing was sent")


def check_callback(value: object, name: str) -> None:
    """Raise ConfigError unless it can be called at once, without await; None is for no callback."""
    if value is None:
        return
    if not callable(value):
        raise ConfigError(f"{name} must be a function; nothing was sent")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        raise ConfigError(
            f"{name} is called without await, so it cannot be an async function; nothing was sent"
        )
