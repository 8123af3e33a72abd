"""The actions that `TeamSteps` returns for its caller to execute."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from aiodoo.models import AddWebhook
from aiodoo.operations.tracked import Stage, TrackedOperation


@attrs.frozen
class Scan:
    """Read the team's list.

    Attributes:
        stable: whether to read it until readings in a row agree; else each page is read once.
        pages: the numbers of the only pages to read; empty for the whole list.
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
    """Wait until `until` (monotonic seconds) before anything else is done for this team."""

    until: float
    reason: str


@attrs.frozen
class Park:
    """Start no batch today: the next one needs `requests` requests, and the daily quota has fewer left."""

    requests: int


Action: TypeAlias = Scan | SendCreate | SendDelete | Wait | Park


def send_create(change: TrackedOperation) -> SendCreate:
    """Return the create of an operation that is ready, and count it as sent."""
    assert change.wanted is not None  # noqa: S101  # it is ready
    change.move(Stage.CREATE_INTENT)
    change.creates_sent += 1
    return SendCreate(change, change.wanted)


def send_delete(change: TrackedOperation) -> SendDelete:
    """Return the delete of an operation that is ready, and count it as sent."""
    assert change.old_id is not None  # noqa: S101  # it is ready
    change.move(Stage.DELETE_INTENT)
    change.deletes_sent += 1
    return SendDelete(change, change.old_id)
