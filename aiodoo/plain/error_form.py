"""Errors as plain data: the name of the class, the message, and the public attributes."""

from __future__ import annotations

import inspect
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Optional, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aiodoo import errors
from aiodoo.errors import BulkFailed, DooError
from aiodoo.plain.document import Form, Misfit, Time, fitted, plain

_KINDS: dict[str, type[DooError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DooError)
}

_SOME_TIME: Any = Optional[Time]  # noqa: UP045  # `|` takes no Annotated before it is a type


class _Head(Form):
    """The members that every error has."""

    kind: str = msgspec.field(name="is")
    message: str


def plain_error(error: DooError) -> dict[str, Any]:
    """Return an error as plain data: the nearest class that `aiodoo.errors` has, the message, and what else is known."""
    kind = next(each for each in type(error).__mro__ if _KINDS.get(each.__name__) is each)
    message = error.message if isinstance(error, BulkFailed) else str(error)
    written = {"is": kind.__name__, "message": message}
    for name in _form(kind.__name__).__struct_fields__:
        value = error.exceptions if isinstance(error, BulkFailed) else getattr(error, name)
        if value is not None:
            written[name] = plain(value, _special)
    return written


def read_error(data: Any) -> DooError:
    """Read an error; of a class that this version does not know, as a DooError with its message.

    Raises:
        Misfit: it is none.
    """
    head = fitted(data, _Head)
    kind = _KINDS.get(head.kind)
    if kind is None:
        return DooError(head.message)
    form = fitted(data, _form(kind.__name__), hook)
    known = {name: getattr(form, name) for name in form.__struct_fields__}
    if kind is BulkFailed and not known["errors"]:
        raise Misfit("must hold an error", "$.errors")
    return kind(head.message, **known)


def hook(kind: type, data: Any) -> DooError:
    """Read what stands for an error in a form."""
    assert kind is DooError  # noqa: S101  # no other class is in a form that uses this
    return read_error(data)


def described() -> type[msgspec.Struct]:
    """Return a form with the members of all errors, to describe them with."""
    found: dict[str, Any] = {}
    for kind in _KINDS.values():
        found |= _attributes(kind)
    known = Annotated[str, Meta(description="The name of the class in aiodoo.errors.")]
    return msgspec.defstruct(
        "Error",
        [
            ("kind", known, msgspec.field(name="is")),
            ("message", str),
            *((name, hint | UnsetType, UNSET) for name, hint in sorted(found.items())),
        ],
        bases=(Form,),
        kw_only=True,
        namespace={
            "__doc__": "What went wrong: the class, the message, and the public attributes that have a value."
        },
    )


def _special(value: Any) -> Any:
    return plain_error(value) if isinstance(value, DooError) else None


@cache
def _form(name: str) -> type[msgspec.Struct]:
    """Return the form of what a class takes beside its message."""
    kind = _KINDS[name]
    parameters = inspect.signature(kind.__init__).parameters
    fields = [
        (each, hint, () if (default := parameters[each].default) is inspect.Parameter.empty else default)
        for each, hint in _attributes(kind).items()
    ]
    return msgspec.defstruct(kind.__name__, fields, bases=(Form,), kw_only=True)


def _attributes(kind: type[DooError]) -> dict[str, Any]:
    hints = get_type_hints(kind.__init__)
    return {
        name: _SOME_TIME if hint == datetime | None else hint
        for name, hint in hints.items()
        if name not in {"message", "return"}
    }
