"""`aiodoo webhooks initialize`: make doo send existing items."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli import completers
from aiodoo.cli.context import Given
from aiodoo.cli.costs import ONE_REQUEST
from aiodoo.cli.options import Several
from aiodoo.cli.terminal.exit_codes import DONE, WrongUsage


async def initialize(
    resource: Annotated[str, Parameter(completer=completers.resources)],
    *,
    organization: int | None = None,
    event: int | None = None,
    webhook: str | None = None,
    type: Annotated[Several, Parameter(completer=completers.hook_types)] = None,  # noqa: A002  # doo's word
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
        Only items changed after this time, such as 2026-11-30T12:00:00+01:00; without an offset it is local time.
    before
        Only items changed before this time, as for --after.
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
    from difflib import get_close_matches  # noqa: PLC0415  # --help does without

    from aiodoo.models import RESOURCES  # noqa: PLC0415  # loads what --help can do without

    needed = RESOURCES.get(resource)
    if needed is None and not settings.allow_unknown_type:
        close = get_close_matches(resource, RESOURCES, 1)
        remedy = f"did you mean {close[0]}?" if close else f"it names {', '.join(RESOURCES)}."
        raise WrongUsage(
            f"no page of doo names the resource {resource!r}; {remedy} Nothing was sent; --allow-unknown-type sends it."
        )
    settings.check_type_names(type or ())
    if needed is not None and asked[needed] is None:
        raise WrongUsage(f"{resource} are of one {needed[:-3]}; use --{needed[:-3]} ID. Nothing was sent.")
    start, end = asked["last_updated_after"], asked["last_updated_before"]
    if None not in (start, end) and start >= end:
        raise WrongUsage(
            "nothing was changed after --after and before --before, as that is earlier. Nothing was sent."
        )
    async with settings.tenants(only_one=True) as tenants:
        (name,) = tenants
        settings.talk.say(ONE_REQUEST, requests=1)
        if not await settings.agreed(f"Make doo send {_in_words(resource, asked)}? This cannot be undone."):
            return DONE
        number = await tenants[name].webhooks.initialize(resource, **asked)
    settings.show(
        "initialization",
        {"profile": name, "resource": resource, "items_processed": number},
        cells={"items_processed": number},
    )
    return DONE


def _local(instant: datetime | None) -> datetime | None:
    """Return an instant with a time zone, by default the local one."""
    return None if instant is None else instant.astimezone()


def _in_words(resource: str, asked: dict[str, Any]) -> str:
    """Return what doo is to send, and where to."""
    times = {word: asked[f"last_updated_{word}"] for word in ("after", "before")}
    bounds = [f"{word} {when.isoformat(' ', 'seconds')}" for word, when in times.items() if when is not None]
    types, webhook, rate = (
        asked[name] for name in ("webhook_types", "webhook_configuration_id", "max_rate_per_min")
    )
    parts = [
        f"the {resource}" if bounds else f"all {resource}",
        *(
            f"of {name} {asked[f'{name}_id']}"
            for name in ("organization", "event")
            if asked[f"{name}_id"] is not None
        ),
        *([f"changed {' and '.join(bounds)}"] if bounds else []),
        f"to {'all webhook configurations' if webhook is None else f'webhook configuration {webhook}'}",
        *([f"as {', '.join(types)}"] if types else []),
        *([f"with at most {rate} a minute"] if rate is not None else []),
    ]
    return " ".join(parts)
