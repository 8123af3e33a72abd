"""Documents of plain JSON: written, read strictly against a form, and versioned."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import attrs
import msgspec
from msgspec import Meta

from aiodoo.errors import ConfigError

FORMAT: Final = 1
"""The version of every document that is written; a later one is refused."""

T = TypeVar("T")

Time: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A time as ISO 8601, with its zone."""

_PLACE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`")


class Form(msgspec.Struct, kw_only=True):
    """What an object of a document holds, by name; members with other names are ignored."""


class Misfit(ValueError):
    """Data does not fit; the text names the place as msgspec's errors do, and shows no value."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{reason} - at `{path}`")


def document(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an object as a document of the current version."""
    return {"format": FORMAT, **members}


def read_document(mapping: object, words: str, read: Callable[[Any], T]) -> T:
    """Read a document.

    Args:
        mapping: what `json.load` returned.
        words: what it is to be, such as "a report".
        read: reads its members, and raises Misfit.

    Raises:
        ConfigError: it does not fit, or a later version of aiodoo has written it; says where, and shows no value.
    """
    try:
        _check_format(mapping)
        return read(mapping)
    except Misfit as misfit:
        reason, path = _parts(str(misfit))
    except RecursionError:
        reason, path = "is nested too deeply", "$"
    raise ConfigError(f"{words} cannot be read: {path} {reason}")


def fitted(data: Any, form: Any, hook: Callable[[type, Any], Any] | None = None) -> Any:
    """Read data into a form.

    Args:
        data: what JSON was parsed into.
        form: a class of forms, or a union of them.
        hook: reads what stands for a class that is no form; may raise Misfit.

    Raises:
        Misfit: it does not fit.
    """
    try:
        return msgspec.convert(data, form, dec_hook=hook)
    except msgspec.ValidationError as error:
        reason, path = _parts(str(error))
    raise Misfit(reason, path)


def plain(value: Any, special: Callable[[Any], Any] | None = None) -> Any:
    """Return a value as plain JSON; times are ISO 8601 in UTC.

    Args:
        value: a leaf, a list, a mapping or an attrs object of such. Fields with the metadata `plain=False` are left out.
        special: returns what is written for a value; None if it is none of those it knows.
    """
    if special is not None and (made := special(value)) is not None:
        return made
    match value:
        case Enum():
            made = value.value
        case datetime():
            made = time_text(value)
        case Mapping():
            made = {name: plain(item, special) for name, item in value.items()}
        case list() | tuple():
            made = [plain(item, special) for item in value]
        case _ if attrs.has(type(value)):
            made = {
                field.name: plain(getattr(value, field.name), special)
                for field in attrs.fields(type(value))
                if field.metadata.get("plain", True)
            }
        case _:
            made = value
    return made


def time_text(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC; one without a zone is taken for UTC."""
    known = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _check_format(mapping: object) -> None:
    if not isinstance(mapping, Mapping):
        raise Misfit(f"must be an object, not {type(mapping).__name__}")
    version = mapping.get("format")
    if type(version) is not int or version < 1:
        raise Misfit("must be the version of the document, such as 1", "$.format")
    if version > FORMAT:
        raise Misfit("is of a later version of aiodoo; install that one", "$.format")


def _parts(text: str) -> tuple[str, str]:
    """Return the reason and the path of an error's text, which names places from the inmost to the outermost."""
    reason, *places = _PLACE.split(text)
    if reason.startswith("Invalid "):
        reason = (
            "is no time such as 2026-03-01T12:00:00Z"
            if "datetime" in reason
            else "is none of the known words"
        )
    path = "$" + "".join(reversed(places[::2]))
    return reason, path
