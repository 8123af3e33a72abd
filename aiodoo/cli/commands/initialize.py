"""`aiodoo webhooks initialize`: make doo send existing items."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.context import Given
from aiodoo.cli.costs import ONE_REQUEST
from aiodoo.cli.options import Several
from aiodoo.cli.terminal.output import show_one
from aiodoo.cli.terminal.process import DONE, WrongUsage


async def initialize(
    resource: str,
    *,
    organization: int | None = None,
    event: int | None = None,
    webhook: str | None = None,
    type: Several = None,  # noqa: A002  # doo's word
    after: datetime | None = None,
    before: datetime | None = None,
    max_rate: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    settings: Given,
) -> int:
    """Make doo send one webhook for each existing item, and print their number. Costs one request, and one for a token if none is kept.

    This cannot be undone.

    Parameters
    ----------
    resource
        events, orders, attendees, contacts or invitees.
    organization
        The id of the organization, for events and contacts.
    event
        The id of the event, for orders, attendees and invitees.
    webhook
        The id of the webhook configuration to send to; by default all.
    type
        Only this hook type; may be given several times.
    after
        Only items changed after this time.
    before
        Only items changed before this time.
    max_rate
        The maximum number of webhooks that doo sends per minute.
    """
    asked: dict[str, Any] = {
        "organization_id": organization,
        "event_id": event,
        "webhook_configuration_id": webhook,
        "webhook_types": type,
        "last_updated_after": _local(after),
        "last_updated_before": _local(before),
        "max_rate_per_min": max_rate,
    }
    from aiodoo.models import RESOURCES  # noqa: PLC0415  # loads what --help can do without

    needed = RESOURCES.get(resource)
    if needed is not None and asked[needed] is None:
        raise WrongUsage(f"{resource} are of one {needed[:-3]}; use --{needed[:-3]} ID. Nothing was sent.")
    where = asked["webhook_configuration_id"] or "all webhook configurations"
    settings.talk.say(ONE_REQUEST, requests=1)
    if not await settings.agreed(f"Make doo send all existing {resource} to {where}? This cannot be undone."):
        return DONE
    async with settings.session() as doo:
        number = await doo.webhooks.initialize(resource, **asked)
    show_one(settings.output, {"items_processed": number})
    return DONE


def _local(instant: datetime | None) -> datetime | None:
    """Return an instant with a time zone, by default the local one."""
    return None if instant is None else instant.astimezone()
