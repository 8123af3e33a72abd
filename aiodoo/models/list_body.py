"""The bytes of a list page, cut into its items only when one of them is asked for."""

from __future__ import annotations

from typing import Self

import attrs
import msgspec


class _Embedded(msgspec.Struct):
    webhooks: list[msgspec.Raw]


class _Items(msgspec.Struct):
    embedded: _Embedded = msgspec.field(name="_embedded")


@attrs.define(eq=False)
class ListBody:
    """A page's body, shared by the webhook configurations read from it."""

    _body: bytes = attrs.field(repr=False)
    _items: list[msgspec.Raw] | None = attrs.field(default=None, init=False, repr=False)

    def item(self, index: int) -> bytes:
        """Return the bytes of one item of `_embedded.webhooks`."""
        if self._items is None:
            self._items = msgspec.json.decode(self._body, type=_Items).embedded.webhooks
        return bytes(self._items[index])

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        return type(self), (self._body,)
