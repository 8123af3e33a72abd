"""`aiodoo webhooks`: list, show, create, update, delete and initialize webhook configurations."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from aiodoo.cli import carry_out, configurations, dry_run
from aiodoo.cli.chosen_teams import chosen_teams, walk_over
from aiodoo.cli.claimed_teams import refuse_claimed
from aiodoo.cli.commands.initialize import initialize
from aiodoo.cli.context import Given
from aiodoo.cli.costs import ONE_REQUEST
from aiodoo.cli.editing import edited
from aiodoo.cli.options import AllowWidening, OfOrganizations, Switch, TeamId, Teams, Type
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage, code_of
from aiodoo.cli.terminal.process import line
from aiodoo.cli.terminal.progress import Screen
from aiodoo.cli.terminal.streams import is_narrow
from aiodoo.cli.terminal.table import Column

webhooks = App(
    name="webhooks",
    help="Webhook configurations. doo cannot disable one; `aiodoo webhooks disable` says what to do instead.",
    help_format="plaintext",
)
webhooks.command(initialize)

_NO_OPTIONS = configurations.Options()
_NO_CHANGES = configurations.UpdateOptions()

_NAMED = 3
"""Number of ids that the record of a delete names."""

FileName = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]


@webhooks.command(name="list")
async def list_(
    *,
    team: Teams = None,
    organization: OfOrganizations = None,
    name: str | None = None,
    type: Type | None = None,  # noqa: A002  # doo's word
    endpoint: str | None = None,
    settings: Given,
) -> int:
    """List webhook configurations of some teams, or of all teams that doo lists. Costs a request for each page.

    Secrets are not shown.

    Parameters
    ----------
    name
        Only names that match this pattern; * and ? match any characters.
    type
        Only those with a hook of a type like this, such as order_*.
    endpoint
        Only those with a hook to an endpoint like this, such as *://crm.example/*.
    """
    from aiodoo.models import Filter  # noqa: PLC0415  # loads what --help can do without

    settings.check_type_names(() if type is None else (type,))
    wanted = Filter(name=name, endpoint=endpoint, type=type)
    team_and_id = (
        Column("TEAM", lambda record: record["team_id"], whole=True),
        Column("ID", lambda record: record["webhook_id"], whole=True),
    )
    if is_narrow():
        columns: tuple[Column, ...] = (
            *team_and_id,
            Column("NAME, ENDPOINT, TYPES", configurations.in_a_few_lines),
        )
    else:
        columns = (*team_and_id, Column("NAME"), Column("ENDPOINT"), Column("TYPES"))
    teams: dict[tuple[str, str], bool] = {}
    async with settings.tenants() as tenants:
        chosen, code = await chosen_teams(settings, tenants, team, organization)
        walk = walk_over(tenants, chosen)
        with (
            settings.sheet("webhook", *columns) as sheet,
            Screen(settings.talk, shown=settings.output != "jsonl") as screen,
        ):
            async for profile, webhook in walk:
                screen.count(profile)
                teams[webhook.team_id, profile] = True
                if wanted.matches(webhook):
                    cells = {
                        "endpoint": configurations.endpoints_of(webhook),
                        "types": configurations.types_of(webhook),
                    }
                    sheet.add(configurations.as_record(profile, webhook), cells)
        for failed in walk.errors:
            where = f"{failed.tenant}: " if settings.all_profiles else ""
            named = "" if failed.team_id is None else f"team {failed.team_id}: "
            settings.talk.say(f"{where}{named}{line(failed.error)}", level="error", team_id=failed.team_id)
            code = FAILED if code == FAILED else code_of(failed.error)
    settings.remember_teams(teams)
    if sheet.shows_nothing and not code:
        settings.talk.say("no such webhook configuration.")
    return code


@webhooks.command
async def show(webhook_id: str, *, team: TeamId | None = None, settings: Given) -> int:
    """Show everything of one webhook configuration but its secret.

    doo has no call for one, so lists are read until it turns up; its team makes that one list.

    Parameters
    ----------
    webhook_id
        Its id.
    team
        The id of its team.
    """
    async with settings.tenants(only_one=True) as tenants:
        (name,) = tenants
        calls = tenants[name].webhooks
        webhook = await (calls.find(webhook_id) if team is None else calls.get(team, webhook_id))
    record = configurations.as_record(name, webhook)
    settings.show("webhook", record, cells=configurations.as_cells(webhook))
    return DONE


@webhooks.command
async def create(
    team: TeamId,
    *,
    file: FileName = None,
    options: configurations.Options = _NO_OPTIONS,
    settings: Given,
) -> int:
    """Create a webhook configuration in a team, and print its id. Costs one request, and one for a token if none is kept.

    Parameters
    ----------
    team
        The id of the team.
    file
        A YAML or JSON file with the configuration, "-" for standard input; the options below take precedence.
    """
    from aiodoo import Create  # noqa: PLC0415  # loads what --help can do without

    config = await options.new(file)
    with configurations.typed() if file is None else nullcontext():
        config.check()
    settings.check_types(config.hooks, file=file)
    if settings.dry_run:
        settings.talk.say(f"would create {config.name!r} in team {team}; {ONE_REQUEST} Nothing was changed.")
        if not settings.is_table:
            async with settings.tenants(only_one=True) as tenants:
                dry_run.show_create(settings, tenants, Create(team, config))
        return DONE
    async with settings.tenants(only_one=True, changes=True) as tenants:
        (name,) = tenants
        ended = await carry_out.execute(
            settings, tenants, {name: [Create(team, config)]}, command=f"create {team}", foreground=True
        )
    return carry_out.single(settings, *ended)


@webhooks.command
async def update(
    webhook_id: str,
    *,
    team: TeamId,
    edit: Switch = False,
    file: FileName = None,
    options: configurations.UpdateOptions = _NO_CHANGES,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Replace a webhook configuration by a changed copy, and print its new id.

    Costs the team's list, and two lists and two requests more, which is five in all if the list has one page.

    doo has no update: a changed copy is created and confirmed, then the old one is deleted.

    Parameters
    ----------
    webhook_id
        Its id.
    team
        The id of its team.
    edit
        Edit it in $EDITOR; the secret is shown as *** and stays the same.
    file
        A YAML or JSON file with the new content, "-" for standard input; a secret given as *** stays the same.
    """
    from aiodoo import Replace  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.bulk import Outcome  # noqa: PLC0415
    from aiodoo.desired import diff  # noqa: PLC0415
    from aiodoo.models import check_replacement  # noqa: PLC0415
    from aiodoo.models.copying import with_listed  # noqa: PLC0415
    from aiodoo.operations.compare import may_widen  # noqa: PLC0415
    from aiodoo.operations.tracked import Status  # noqa: PLC0415

    if edit + (file is not None) + options.given != 1:
        raise WrongUsage("say what to change: with options, with --file, or with --edit.")
    given = None if file is None else await options.new(file, replacing=True)
    async with settings.tenants(only_one=True, changes=True) as tenants:
        (name,) = tenants
        doo = tenants[name]
        if not settings.dry_run:
            await refuse_claimed(doo, [team])
        listed = await doo.webhooks.list(team, stable=True).collect()
        (before,) = configurations.chosen(listed, team, [webhook_id])
        if edit:
            wanted = await edited(before, settings)
        elif given is not None:
            wanted = with_listed(given, before)
        else:
            wanted = before.copy(**await options.changes(before))
        with configurations.typed() if options.given else nullcontext():
            check_replacement(wanted, doo.facts.type_suffix)
        settings.check_types(wanted.hooks, doo.facts.type_suffix, file=file)
        changes = diff(before, wanted)
        if not changes:
            settings.talk.say("there is nothing to change.")
            same = Outcome(
                operation=Replace(team, webhook_id, wanted), status=Status.UNCHANGED, webhook_id=webhook_id
            )
            carry_out.show_single(settings, {"profile": name, "run_id": None, **same.to_row()})
            return DONE
        for change in changes:
            settings.talk.say(configurations.change_in_words(change))
        if may_widen(wanted, before):
            configurations.warn_of_widening(settings, allowed=allow_widening, limiting=True)
        operations = [Replace(team, webhook_id, wanted)]
        forecast = await doo.bulk.forecast(operations, baseline=listed)
        await carry_out.show_forecasts(settings, tenants, {name: forecast}, foreground=True)
        if not await settings.agreed(f"Change webhook configuration {webhook_id} of team {team} so?"):
            return DONE
        ended = await carry_out.execute(
            settings,
            tenants,
            {name: operations},
            command=f"update {webhook_id} --team {team}",
            baselines={name: forecast.baseline},
            foreground=True,
        )
    return carry_out.single(settings, *ended)


@webhooks.command
async def delete(
    webhook_ids: Annotated[list[str], Parameter(negative="")], /, *, team: TeamId, settings: Given
) -> int:
    """Delete webhook configurations of a team, and confirm it. Costs one request each, and two stable lists.

    Parameters
    ----------
    webhook_ids
        Their ids.
    team
        The id of their team.
    """
    from aiodoo import Delete  # noqa: PLC0415  # loads what --help can do without

    operations = [Delete(team, webhook_id) for webhook_id in dict.fromkeys(webhook_ids)]
    async with settings.tenants(only_one=True, changes=True) as tenants:
        (name,) = tenants
        doo = tenants[name]
        if not settings.dry_run:
            await refuse_claimed(doo, [team])
        listed = await doo.webhooks.list(team, stable=True).collect()
        for webhook in configurations.chosen(listed, team, webhook_ids):
            settings.talk.say(f"{webhook.id}: {webhook.name}, {configurations.types_of(webhook)}")
        forecast = await doo.bulk.forecast(operations, baseline=listed)
        await carry_out.show_forecasts(settings, tenants, {name: forecast}, foreground=True)
        if not await settings.agreed(f"Delete {_so_many(len(operations))} of team {team}?"):
            return DONE
        ended = await carry_out.execute(
            settings,
            tenants,
            {name: operations},
            command=f"delete {_named(webhook_ids)} --team {team}",
            baselines={name: forecast.baseline},
            foreground=True,
        )
    return carry_out.report(settings, *ended)


def _named(webhook_ids: list[str]) -> str:
    more = f" and {len(webhook_ids) - _NAMED} more" if len(webhook_ids) > _NAMED else ""
    return " ".join(webhook_ids[:_NAMED]) + more


def _so_many(number: int) -> str:
    return "one webhook configuration" if number == 1 else f"{number} webhook configurations"
