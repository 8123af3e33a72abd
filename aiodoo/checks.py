"""Argument checks, run before anything is sent; no message contains a value."""

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
"""Ids that are safe in a URL path."""

_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/*"
)


def plain_text(value: T) -> T:
    """Convert an instance of a subclass of str, such as a template's safe string or a `StrEnum` member, to a plain str.

    Other values are returned unchanged. JSON and URL libraries accept only plain str.
    """
    if type(value) is str or not isinstance(value, str):
        return value
    return str.__str__(value)  # type: ignore[return-value]  # a str for a subclass of str


def storable(text: str) -> str:
    """Escape what UTF-8 cannot encode in a text, such as the surrogates of a file name."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_text(value: object) -> bool:
    """Return whether a value is a str that can be encoded as UTF-8."""
    if type(value) is str and value.isascii():
        return True
    try:
        return isinstance(value, str) and str.encode(value) is not None
    except UnicodeEncodeError:
        return False


MOST: Final = 2**63 - 1
"""The largest integer that is accepted; JSON readers, SQLite and clocks hold no larger one."""


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number that fits into a float; a bool is not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value is an integer from 1 to `MOST`; a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def check_count(value: object, name: str) -> None:
    """Raise ConfigError unless the value is an integer of at least 1."""
    if not is_count(value):
        raise ConfigError(f"{name} must be a whole number of at least 1; nothing was sent")


def number_text(value: int) -> str | None:
    """Return an integer as text; None if it has more digits than Python converts."""
    try:
        return str(int(value))
    except ValueError:
        return None


def can_be_host(host: str) -> bool:
    """Return whether an ASCII host is a valid IP address or a name with labels of valid length; `1.2.3.999` is neither."""
    if ":" in host:
        return _is_address(host)
    labels = host.split(".")
    if len(host) > 253 or not all(1 <= len(label) <= 63 for label in labels):
        return False
    return not labels[-1].isdecimal() or _is_address(host)


def printable(text: str) -> str:
    """Escape the control characters in a text, so that it can be printed to a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def check_seconds(value: object, name: str, *, least: float = 0.0) -> float:
    """Return a valid number of seconds.

    Args:
        value: the argument.
        name: the name of the argument, for the message.
        least: the smallest number that is accepted.

    Raises:
        ConfigError: it is not a finite number, or is less than `least`.
    """
    if is_finite(value) and least <= value:
        return value
    words = "0 or more" if least == 0 else "above 0"
    raise ConfigError(f"{name} must be a number of seconds, {words}; nothing was sent")


def check_choice(value: object, name: str, choices: Collection[str]) -> None:
    """Raise ConfigError unless the value is one of the choices."""
    if value not in choices:
        words = " or ".join(f'"{choice}"' for choice in choices)
        raise ConfigError(f"{name} must be {words}; nothing was sent")


def check_kind(value: object, name: str, kind: type | tuple[type, ...], words: str) -> None:
    """Raise ConfigError unless the value is an instance of `kind`, which `words` names in the message."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} must be {words}, not {type(value).__name__}; nothing was sent")


def check_flag(value: object, name: str) -> None:
    """Raise ConfigError unless the value is a bool: the text "no" would count as True."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False; nothing was sent")


def check_words(value: object, name: str) -> None:
    """Raise ConfigError unless the value is a str that can be encoded as UTF-8, or None."""
    if value is not None and not is_text(value):
        raise ConfigError(f"{name} must be text; nothing was sent")


def check_callback(value: object, name: str) -> None:
    """Raise ConfigError unless the value is a callable that is not a coroutine function, or None."""
    if value is None:
        return
    if not callable(value):
        raise ConfigError(f"{name} must be a function; nothing was sent")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        raise ConfigError(
            f"{name} is called without await, so it cannot be an async function; nothing was sent"
        )


def check_id(value: str | int, what: str = "webhook configuration id") -> str:
    """Return an id as text that is safe in a URL path.

    Raises:
        ConfigError: it is not 1 to 64 of the characters `A-Z a-z 0-9 _ -`.
    """
    if type(value) is str and ID.fullmatch(value) is not None:
        return value
    text = number_text(value) if type(value) is int else plain_text(value)
    if not isinstance(text, str) or ID.fullmatch(text) is None:
        raise ConfigError(f"a {what} must be 1 to 64 of the characters A-Z a-z 0-9 _ -; nothing was sent.")
    return text


def check_base_url(url: str) -> str:
    """Return a base URL without trailing slashes.

    Raises:
        ConfigError: its scheme is not https, or http for a loopback address or `localhost`; or it is not a URL, or has
            user information, a query or a fragment.
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
    if found["scheme"] == "http" and not is_loopback(found["host"]):
        raise ConfigError("the base URL must be https, as secrets are sent to it; nothing was sent.")
    return url.rstrip("/")


def _is_address(host: str, kind: Callable[[str], object] = ipaddress.ip_address) -> bool:
    try:
        kind(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: a loopback address or `localhost`."""
    host = host.strip("[]")
    return ipaddress.ip_address(host).is_loopback if _is_address(host) else host.lower() == "localhost"
