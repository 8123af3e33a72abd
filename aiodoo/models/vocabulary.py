"""doo's known words: hook types and resources. Open lists; doo may add to them at any time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EVENT_TYPES: Final = ("event_created", "event_updated", "event_removed")
ORDER_TYPES: Final = ("order_created", "order_updated", "order_removed", "order_cancelled")
ATTENDEE_TYPES: Final = ("attendee_pending", "attendee_validated", "attendee_cancelled", "attendee_checkin")

HOOK_TYPES: Final = EVENT_TYPES + ORDER_TYPES + ATTENDEE_TYPES
"""The hook types that doo's public pages name, without their `on_` prefix. Others are just as good."""

RESOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "events": "organization_id",
        "contacts": "organization_id",
        "orders": "event_id",
        "attendees": "event_id",
        "invitees": "event_id",
    }
)
"""What "Webhook initialization" can re-send, and the scope id that each needs."""
