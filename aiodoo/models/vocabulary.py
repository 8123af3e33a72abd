"""Hook types and resources that doo's pages name ("Supported resources and webhook types")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

HookType: TypeAlias = Literal[
    "event_created",
    "event_updated",
    "event_removed",
    "order_created",
    "order_updated",
    "order_removed",
    "order_cancelled",
    "attendee_pending",
    "attendee_validated",
    "attendee_cancelled",
    "attendee_checkin",
]
"""The hook types that doo's pages name, without their `on_` prefix; doo may add others."""

HOOK_TYPES: Final[tuple[HookType, ...]] = get_args(HookType)
"""The values of `HookType` as a tuple."""

RESOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "events": "organization_id",
        "contacts": "organization_id",
        "orders": "event_id",
        "attendees": "event_id",
        "invitees": "event_id",
    }
)
"""The resources of "Webhook initialization", and the id that each requires."""
