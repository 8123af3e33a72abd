"""Plain JSON of what holds operations and errors: forecasts, outcomes, reports."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Self

from aiodoo.errors import DooError
from aiodoo.operations.operation_form import PlainOperation, Shown, shown
from aiodoo.operations.operations import operation_of
from aiodoo.plain.document import Form, document, fitted, members, plain, read_document
from aiodoo.plain.error_form import plain_error, read_error


class Record:
    """What holds operations and errors, and has a plain form.

    A subclass is an attrs class; its form stands in `_forms`.
    """

    __slots__ = ()

    @classmethod
    def _forms(cls) -> Mapping[type[Form], type]:
        """Return the class of each form in it, its own too."""
        raise NotImplementedError

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
        classes = cls._forms()
        form = next(each for each, made in classes.items() if made is cls)
        read = read_document(mapping, f"a {cls.__name__.lower()}", lambda data: fitted(data, form, _hook))
        return cls(**members(read, classes))


def _special(value: Any, secrets: Shown) -> Any:
    if isinstance(value, PlainOperation):
        return shown(value, secrets)
    return plain_error(value) if isinstance(value, DooError) else None


def _hook(kind: type, data: Any) -> Any:
    return operation_of(data) if kind is PlainOperation else read_error(data)
