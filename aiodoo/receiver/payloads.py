"""Classes for the payload fields that doo documents; all of them are optional, as the hook's query decides which are sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import cattrs

_plain = cattrs.Converter()


def _text(value: object) -> str | None:
    return None if value is None or isinstance(value, (bool, Mapping, list)) else str(value)


def _part(data: Any, name: str) -> Mapping[str, Any]:
    """Return the object of that name in a payload, else the payload itself."""
    if not isinstance(data, Mapping):
        return {}
    part = data.get(name)
    return part if isinstance(part, Mapping) else data


@attrs.frozen(kw_only=True)
class Event:
    """An event, by the fields of doo's GraphQL `event` and of its REST model.

    Attributes:
        id: the id as text.
        title: the title.
        start_date: the start as doo writes it.
        end_date: the end as doo writes it.
        status: `draft`, `live`, `cancelled`, `done` or `deleted`; doo may add others.
    """

    id: str | None = None
    title: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    status: str | None = None

    @classmethod
    def from_data(cls, data: Any) -> Event:
        """Read a payload, or its `event`."""
        part = _part(data, "event")
        return cls(
            id=_text(part.get("id")),
            title=_text(part.get("title")),
            start_date=_text(part.get("startDate", part.get("start_date"))),
            end_date=_text(part.get("endDate", part.get("end_date"))),
            status=_text(part.get("status")),
        )


@attrs.frozen(kw_only=True)
class Order:
    """An order, by the fields of doo's REST model.

    Attributes:
        id: the id as text.
        status: such as `active` or `organizer_cancelled`; doo may add others.
    """

    id: str | None = None
    status: str | None = None

    @classmethod
    def from_data(cls, data: Any) -> Order:
        """Read a payload, its `order`, or its `order_details`."""
        part = _part(_part(data, "order"), "order_details")
        return cls(id=_text(part.get("id")), status=_text(part.get("status")))


@attrs.frozen(kw_only=True)
class Attendee:
    """An attendee, by the fields of doo's REST model.

    Attributes:
        id: the id as text.
        order_id: the id of the order as text.
    """

    id: str | None = None
    order_id: str | None = None

    @classmethod
    def from_data(cls, data: Any) -> Attendee:
        """Read a payload, or its `attendee`."""
        part = _part(data, "attendee")
        return cls(
            id=_text(part.get("attendee_id", part.get("id"))),
            order_id=_text(part.get("order_id", part.get("orderId"))),
        )


def reader(kind: Callable[..., Any] | None) -> Callable[[Any], Any]:
    """Return the function that reads a payload as a class: its own `from_data`, else cattrs."""
    if kind is None:
        return _unchanged
    own: Callable[[Any], Any] | None = getattr(kind, "from_data", None)
    return own if own is not None else partial(_structured, kind)


def _structured(kind: Any, data: Any) -> Any:
    return _plain.structure(data, kind)


def _unchanged(data: Any) -> Any:
    return data
