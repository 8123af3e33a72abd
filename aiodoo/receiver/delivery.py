"""One delivery of doo's, as a handler receives it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import msgspec

from aiodoo.checks import number_text


@attrs.frozen(kw_only=True)
class Delivery:
    """What doo has sent to the endpoint of one hook ("Webhook requests from doo to the external system").

    doo sends no id, no time, no type and no signature: the type is the one that the endpoint was registered for.

    Attributes:
        type: the hook type, such as `event_created`.
        data: the JSON document, without the envelope `{"data": ...}` if it has one.
        payload: an instance of the class that the handler was registered with; equal to `data` without one.
        received_at: when the request arrived (UTC).
        attempt: 1, or more if this process or an earlier one has tried a stored delivery before.
        body: the body as it was received.
    """

    type: str
    data: Any = attrs.field(repr=False)
    payload: Any = attrs.field(default=None, repr=False)
    received_at: datetime
    attempt: int = 1
    body: bytes = attrs.field(repr=False)

    @property
    def event_id(self) -> str | None:
        """The id of the doo event that the delivery is about; None if the payload does not have it where it is looked for.

        Looked for are `event_id`, `eventId` and `event.id` of the payload and of its `order` or `attendee`; and the `id` of
        the payload itself if the type is one of events.
        """
        return event_id_of(self.type, self.data)


def event_id_of(type: str, data: object) -> str | None:  # noqa: A002  # doo's word
    """Return the id of the event that a payload is about, as text; None if it is not found."""
    if not isinstance(data, Mapping):
        return None
    for part in (data, data.get("order"), data.get("attendee"), data.get("order_details")):
        if not isinstance(part, Mapping):
            continue
        event = part.get("event")
        nested = event.get("id") if isinstance(event, Mapping) else None
        for found in (part.get("event_id"), part.get("eventId"), nested):
            if (text := _id(found)) is not None:
                return text
    return _id(data.get("id")) if type.startswith("event_") else None


def _id(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return number_text(value) if isinstance(value, int) and not isinstance(value, bool) else None


def parse(body: bytes) -> tuple[bool, Any]:
    """Return whether a body is a JSON document, and the document without its envelope."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False, None
    if isinstance(document, dict) and len(document) == 1 and "data" in document:
        return True, document["data"]
    return True, document
