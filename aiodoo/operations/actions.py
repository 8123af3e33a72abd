"""What a team's steps ask whoever drives them to do next."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from aiodoo.models import AddWebhook
from aiodoo.operations.tracked import TrackedOperation


@attrs.frozen
class Scan:
    """Read the team's list: all pages once, or (`stable`) until readings in a row agree, or a few of its pages.

    Attributes:
        pages: the numbers of the only pages to read, once each; none for the whole list.
    """

    stable: bool
    pages: tuple[int, ...] = ()


@attrs.frozen(eq=False)
class SendCreate:
    """Send one create."""

    change: TrackedOperation
    config: AddWebhook = attrs.field(repr=False)


@attrs.frozen(eq=False)
class SendDelete:
    """Send one delete."""

    change: TrackedOperation
    webhook_id: str


@attrs.frozen
class Wait:
    """Do nothing for this team before `until` (monotonic seconds)."""

    until: float
    reason: str


@attrs.frozen
class Park:
    """Begin nothing more today: the next batch needs `requests` slots to be finished, and fewer are left."""

    requests: int


Action: TypeAlias = Scan | SendCreate | SendDelete | Wait | Park
