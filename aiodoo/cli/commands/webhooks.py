"""`aiodoo webhooks`: list, show, create, update, delete and initialize webhook configurations."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from aiodoo.cli import configurations
from aiodoo.cli.claimed_teams import refuse_claimed
from aiodoo.cli.commands.initialize import initialize
from aiodoo.cli.context import Given
from aiodoo.cli.editing import edited
from aiodoo.cli.options import AllowWidening, Several
from aiodoo.cli.terminal.output import Column, is_narrow, show_one
from aiodoo.cli.terminal.process import DONE, FAILED, WrongUsage, code_of, line
from aiodoo.cli.terminal.progress import Screen

webhooks = App(name="webhooks", help="Webhook configurations.", help_format="plaintext")
webhooks.command(initialize)

_NO_OPTIONS = configurations.Options()
_NO_CHANGES = configurations.UpdateOptions()

FileName = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]


@webhooks.command(name="list")
async def list_(
    *,
    team: Several = None,
    name: str | None = None,
    type: str | None = None,  # noqa: A002  # doo's word
    endpoint: str | None = None,
    settings: Given,
) -> int:
    """List webhook configurations of some teams, or of all teams that doo lists. Costs a request for each page.

    Secrets are not shown.

    Parameters
    ----------
    team
        Only this team; may be given several times.
    name
        Only names that match this pattern; * and ? match any characters.
    type
        Only those with a hook of a type like this, such as order_*.
    endpoint
        Only those with a hook to an endpoint like this, such as *://crm.example/*.
    """
    from aiodoo.models import Filter  # noqa: PLC0415  # loads what --help can do without

    wanted = Filter(name=name, endpoint=endpoint, type=type)
    team_and_id = (Column("TEAM", lambda record: record["team_id"], whole=True), Column("ID", whole=True))
    if is_narrow():
        columns: tuple[Column, ...] = (
            *team_and_id,
            Column("NAME, ENDPOINT, TYPES", configurations.in_a_few_lines),
        )
    else:
        columns = (*team_and_id, Column("NAME"), Column("ENDPOINT"), Column("TYPES"))
    code = DONE
    async with settings.tenants() as tenants:
        walk = tenants.webhooks(teams=dict.fromkeys(tenants, team) if team else None, on_error="collect")
        with (
            settings.sheet(*columns) as sheet,
            Screen(settings.talk, shown=settings.output != "jsonl") as screen,
        ):
            async for profile, webhook in walk:
                screen.count(profile)
                if wanted.matches(webhook):
                    record = configurations.as_record(webhook)
                    cells = {
                        "endpoint": configurations.endpoints_of(webhook),
                        "types": configurations.types_of(webhook),
                    }
                    sheet.add({"profile": profile, **record} if settings.all_profiles else record, cells)
        for failed in walk.errors:
            where = f"{failed.tenant}: " if settings.all_profiles else ""
            named = "" if failed.team_id is None else f"team {failed.team_id}: "
            settings.talk.say(f"{where}{named}{line(failed.error)}", level="error", team_id=failed.team_id)
            code = FAILED if code == FAILED else code_of(failed.error)
    if sheet.shows_nothing and not code:
        settings.talk.say("no such webhook configuration.")
    return code


@webhooks.command
async def show(webhook_id: str, *, team: str | None = None, settings: Given) -> int:
    """Show everything of one webhook configuration but its secret.

    doo has no call for one, so lists are read until it turns up; its team makes that one list.

    Parameters
    ----------
    team
        The id of its team.
    """
    async with settings.session() as doo:
        webhook = await (
            doo.webhooks.find(webhook_id) if team is None else doo.webhooks.get(team, webhook_id)
        )
    show_one(settings.output, configurations.as_record(webhook), cells=configurations.as_cells(webhook))
    return DONE


@webhooks.command
async def create(
    team: str,
    *,
    file: FileName = None,
    options: configurations.Options = _NO_OPTIONS,
    settings: Given,
) -> int:
    """Create a webhook configuration in a team, and print its id. Costs one request.

    Parameters
    ----------
    team
        The id of the team.
    file
        A YAML or JSON file with the configuration, "-" for standard input; the options below take precedence.
    """
    config = await options.new(file)
    config.check()
    settings.check_types(config.hooks)
    if settings.dry_run:
        settings.talk.say(
            f"would create {config.name!r} in team {team}, with one request; nothing was changed."
        )
        return DONE
    async with settings.session() as doo:
        webhook_id = await doo.webhooks.create(team, config)
    show_one(settings.output, {"team_id": team, "id": webhook_id})
    return DONE


@webhooks.command
async def update(
    webhook_id: str,
    *,
    team: str,
    edit: Annotated[bool, Parameter(negative="")] = False,
    file: FileName = None,
    options: configurations.UpdateOptions = _NO_CHANGES,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Replace a webhook configuration by a changed copy, and print its new id. Costs six requests if the list has one page.

    doo has no update: a changed copy is created and confirmed, then the old one is deleted.

    Parameters
    ----------
    team
        The id of its team.
    edit
        Edit it in $EDITOR; the secret is shown as *** and stays the same.
    file
        A YAML or JSON file with the new content, "-" for standard input; a secret given as *** stays the same.
    allow_widening
        Agree that copies may reach more events than their originals; --yes alone does not.
    """
    from aiodoo import Replace  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.desired import diff  # noqa: PLC0415
    from aiodoo.models import check_replacement  # noqa: PLC0415
    from aiodoo.models.copying import with_listed  # noqa: PLC0415
    from aiodoo.operations.compare import may_widen  # noqa: PLC0415

    if edit + (file is not None) + options.given != 1:
        raise WrongUsage("say what to change: with options, with --file, or with --edit.")
    given = None if file is None else await options.new(file, replacing=True)
    async with settings.session() as doo:
        if not settings.dry_run:
            await refuse_claimed(doo, [team])
        listed = await configurations.TeamList.read(doo, team)
        (before,) = listed.chosen([webhook_id])
        if edit:
            wanted = await edited(before, settings)
        elif given is not None:
            wanted = with_listed(given, before)
        else:
            wanted = before.copy(**await options.changes(before))
        check_replacement(wanted, doo.facts.type_suffix)
        settings.check_types(wanted.hooks, doo.facts.type_suffix)
        changes = diff(before, wanted)
        if not changes:
            settings.talk.say("there is nothing to change.")
            show_one(settings.output, {"team_id": team, "id": webhook_id})
            return DONE
        for change in changes:
            settings.talk.say(configurations.change_in_words(change))
        if may_widen(wanted, before):
            configurations.warn_of_widening(settings, allowed=allow_widening, limiting=True)
        listed.say_cost(settings, doo, [Replace(team, webhook_id, wanted)])
        if not await settings.agreed(f"Change webhook configuration {webhook_id} of team {team} so?"):
            return DONE
        new_id = await doo.webhooks.replace(team, webhook_id, wanted)
    show_one(settings.output, {"team_id": team, "id": new_id})
    return DONE


@webhooks.command
async def delete(
    webhook_ids: Annotated[list[str], Parameter(negative="")], /, *, team: str, settings: Given
) -> int:
    """Delete webhook configurations of a team, and confirm it. Costs one request each, and three lists.

    Parameters
    ----------
    webhook_ids
        Their ids.
    team
        The id of their team.
    """
    from aiodoo import Delete  # noqa: PLC0415  # loads what --help can do without

    operations = [Delete(team, webhook_id) for webhook_id in dict.fromkeys(webhook_ids)]
    async with settings.session() as doo:
        if not settings.dry_run:
            await refuse_claimed(doo, [team])
        listed = await configurations.TeamList.read(doo, team)
        for webhook in listed.chosen(webhook_ids):
            settings.talk.say(f"{webhook.id}: {webhook.name}, {configurations.types_of(webhook)}")
        listed.say_cost(settings, doo, operations)
        if not await settings.agreed(f"Delete {_so_many(len(operations))} of team {team}?"):
            return DONE
        report = await doo.bulk.run(operations, on_exhausted="park", on_claimed="refuse", command="delete")
    if report.resume_at is not None:
        raise _cut_short(report.resume_at, report.counts()["applied"], len(operations))
    report.raise_for_failures()
    settings.talk.say(f"deleted {_so_many(len(operations))}.")
    return DONE


def _cut_short(resume_at: datetime, deleted: int, asked: int) -> Exception:
    from aiodoo import QuotaExhausted  # noqa: PLC0415

    return QuotaExhausted(
        f"what bulk jobs may use of the day's quota is spent; {deleted} of {asked} are known to be deleted. Continue at "
        f"{resume_at:%Y-%m-%d %H:%M:%S} UTC, with the same command",
        resume_at=resume_at,
    )


def _so_many(number: int) -> str:
    return "one webhook configuration" if number == 1 else f"{number} webhook configurations"
