"""Plain JSON of what holds operations and errors: forecasts, outcomes, reports."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from aiodoo.errors import DooError
from aiodoo.operations.operation_form import PlainOperation, Shown, shown
from aiodoo.operations.operations import operation_of
from aiodoo.plain.document import Form, document, fitted, members, plain, read_document
from aiodoo.plain.error_form import plain_error, read_error

T = TypeVar("T")


def write_record(record: Any, secrets: Shown) -> dict[str, Any]:
    """Return an attrs object as a document.

    Raises:
        ConfigError: an operation in it holds a bare secret, which is to be refused.
    """
    return document(plain(record, partial(_special, secrets=secrets)))


def read_record(mapping: object, kind: type[T], classes: Mapping[type[Form], type]) -> T:
    """Read a document as an object of this class.

    Args:
        mapping: what was parsed.
        kind: the class.
        classes: the class of each form in it, its own too.

    Raises:
        ConfigError: it does not fit.
    """
    form = next(each for each, made in classes.items() if made is kind)
    read = read_document(mapping, f"a {kind.__name__.lower()}", lambda data: fitted(data, form, _hook))
    return kind(**members(read, classes))


def _special(value: Any, secrets: Shown) -> Any:
    if isinstance(value, PlainOperation):
        return shown(value, secrets)
    return plain_error(value) if isinstance(value, DooError) else None


def _hook(kind: type, data: Any) -> Any:
    return operation_of(data) if kind is PlainOperation else read_error(data)
