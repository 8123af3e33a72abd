"""`aiodoo webhooks initialize`: have doo send what exists already."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import Several
from aiodoo.cli.terminal.output import show_one
from aiodoo.cli.terminal.process import DONE, WrongUsage


def initialize(
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
    """Have doo send a webhook for each item that exists already, and print how many. Costs one request.

    They cannot be called back.

    Parameters
    ----------
    resource
        events, orders, attendees, contacts or invitees.
    organization
        The organization's id, for events and contacts.
    event
        The event's id, for orders, attendees and invitees.
    webhook
        Only to this webhook configuration; to all of them if left out.
    type
        Only of this type; may be given several times.
    after
        Only items changed after this time.
    before
        Only items changed before this time.
    max_rate
        The most that doo sends in a minute.
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
    return settings.run(_initialize(settings, resource, asked))


async def _initialize(settings: Context, resource: str, asked: dict[str, Any]) -> int:
    from aiodoo.models import RESOURCES  # noqa: PLC0415  # loads what --help can do without

    needed = RESOURCES.get(resource)
    if needed is not None and asked[needed] is None:
        raise WrongUsage(f"{resource} are of one {needed[:-3]}; say --{needed[:-3]} ID. Nothing was sent.")
    where = asked["webhook_configuration_id"] or "all webhook configurations"
    settings.talk.say("this takes one request.", requests=1)
    if not await settings.agreed(
        f"Have doo send all {resource} there are to {where}? It cannot be called back."
    ):
        return DONE
    async with settings.session() as doo:
        number = await doo.webhooks.initialize(resource, **asked)
    show_one(settings.output, {"items_processed": number})
    return DONE


def _local(instant: datetime | None) -> datetime | None:
    """Return an instant with a time zone: this machine's unless one was given."""
    return None if instant is None else instant.astimezone()
