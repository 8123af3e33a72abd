"""What callers pass, checked before anything is sent; no check shows a value."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection
from typing import TypeVar

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
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value < math.inf:
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
