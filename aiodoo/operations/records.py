"""Plain JSON of what holds operations and errors: forecasts, outcomes, reports."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from types import UnionType
from typing import Any, Self, Union, get_args, get_origin

import attrs
import msgspec

from aiodoo.errors import DooError
from aiodoo.operations.operation_form import PlainOperation, Shown, shown
from aiodoo.operations.operations import operation_of
from aiodoo.plain.document import Form, Time, document, fitted, plain, read_document
from aiodoo.plain.error_form import plain_error, read_error


class Record:
    """What holds operations and errors, and has a plain form.

    A subclass is an attrs class, whose fields make the form; see `form_of`.
    """

    __slots__ = ()

    def to_dict(self, *, secrets: Shown = "omit") -> dict[str, Any]:
        """Return it as plain JSON, such as another machine can read.

        Args:
            secrets: what becomes of the bare secrets in the operations, as for `Create.to_dict`; left out unless said
                otherwise. Of all others only the source is written, unless it is `"reveal"`.

        Raises:
            ConfigError: there is a bare secret, and `secrets` is `"refuse"`.
        """
        return document(plain(self, partial(_special, secrets=secrets)))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_dict` has written; members that aiodoo does not know are ignored.

        Args:
            mapping: the object, as `json.load` returns it.

        Raises:
            ConfigError: something does not fit; says where, and shows no value.
        """
        kind: type = cls
        form = form_of(kind)
        read = read_document(mapping, f"a {cls.__name__.lower()}", lambda data: fitted(data, form, _hook))
        return cls(**_members(read))


@cache
def form_of(cls: type) -> type[msgspec.Struct]:
    """Return the form of an attrs class: its fields but those with the metadata `plain=False`.

    A field with the metadata `required=True` has to be there, although the class has a default.
    """
    form = msgspec.defstruct(
        cls.__name__,
        [
            _field_of(field)
            for field in attrs.fields(attrs.resolve_types(cls))
            if field.metadata.get("plain", True)
        ],
        bases=(Form,),
        kw_only=True,
        namespace={"__doc__": (inspect.getdoc(cls) or "").split("\n\n")[0]},
    )
    _CLASSES[form] = cls
    return form


_CLASSES: dict[type, type] = {}
"""The class of each form."""


def _field_of(field: attrs.Attribute[Any]) -> tuple[str, Any] | tuple[str, Any, Any]:
    hint = _hint_of(field.type)
    if field.default is attrs.NOTHING or field.metadata.get("required", False):
        return field.name, hint
    default = getattr(field.default, "factory", None)
    return field.name, hint, field.default if default is None else msgspec.field(default_factory=default)


def _hint_of(hint: Any) -> Any:
    """Return the type of a field in a form for its type in the class."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is datetime:
        return Time
    if origin is tuple:
        return list[_hint_of(inner[0])]  # type: ignore[misc]  # a type that is known when it runs
    if origin in {Union, UnionType}:
        made = tuple(dict.fromkeys(map(_hint_of, inner)))
        return Union[made]  # noqa: UP007  # `|` takes no Annotated before it is a type
    if attrs.has(hint):
        return PlainOperation if issubclass(hint, PlainOperation) else form_of(hint)
    return hint


def _members(form: msgspec.Struct) -> dict[str, Any]:
    """Return what a form holds as arguments: lists as tuples, and each form within as an object of its class."""
    return {name: _made(getattr(form, name)) for name in form.__struct_fields__}


def _made(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _CLASSES[type(value)](**_members(value))
    if isinstance(value, list):
        return tuple(map(_made, value))
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _special(value: Any, secrets: Shown) -> Any:
    if isinstance(value, PlainOperation):
        return shown(value, secrets)
    return plain_error(value) if isinstance(value, DooError) else None


def _hook(kind: type, data: Any) -> Any:
    return operation_of(data) if kind is PlainOperation else read_error(data)
