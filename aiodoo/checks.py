"""What callers pass, checked before anything is sent; no check shows a value."""

from __future__ import annotations

import inspect
import ipaddress
import math
import re
from collections.abc import Callable, Collection
from typing import Final, TypeGuard, TypeVar

from aiodoo.errors import ConfigError

T = TypeVar("T")

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The ids that may become part of a path."""

_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/*"
)


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


def check_id(value: str | int, what: str = "webhook configuration id") -> str:
    """Return an id that is safe in a path, as text.

    Raises:
        ConfigError: it is not 1 to 64 of `A-Z a-z 0-9 _ -`.
    """
    text = number_text(value) if type(value) is int else plain_text(value)
    if not isinstance(text, str) or ID.fullmatch(text) is None:
        raise ConfigError(f"a {what} must be 1 to 64 of the characters A-Z a-z 0-9 _ -; nothing was sent.")
    return text


def check_base_url(url: str) -> str:
    """Return a base URL without its last slash.

    It must be https; http will do for a loopback address or `localhost`.

    Raises:
        ConfigError: it is something else, or holds user-info, a query or a fragment.
    """
    url = plain_text(url)
    found = _BASE_URL.fullmatch(url) if isinstance(url, str) else None
    if (
        found is None
        or {".", ".."} & set(found["path"].split("/"))
        or int(found["port"] or 443) not in range(1, 65536)
        or not can_be_host(found["host"].strip("[]"))
        or (found["host"].startswith("[") and not _is_address(found["host"][1:-1], ipaddress.IPv6Address))
    ):
        raise ConfigError(
            "the base URL must look like https://rest.doo.net/v1, without user name, query and fragment; "
            "nothing was sent."
        )
    if found["scheme"] == "http" and not _is_loopback(found["host"]):
        raise ConfigError("the base URL must be https, as secrets are sent to it; nothing was sent.")
    return url.rstrip("/")


def _is_address(host: str, kind: Callable[[str], object] = ipaddress.ip_address) -> bool:
    try:
        kind(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    host = host.strip("[]")
    return ipaddress.ip_address(host).is_loopback if _is_address(host) else host.lower() == "localhost"
