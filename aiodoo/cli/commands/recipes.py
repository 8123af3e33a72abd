"""`aiodoo copy`, `move-host` and `rotate-secret`: changes of the webhook configurations of all teams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import attrs
from cyclopts import Parameter

from aiodoo.cli import carry_out, configurations
from aiodoo.cli.chosen_teams import chosen_teams
from aiodoo.cli.claimed_teams import refuse_claimed, unclaimed
from aiodoo.cli.completers import team_ids
from aiodoo.cli.context import SANDBOX, Context, Given, sandbox_options
from aiodoo.cli.options import AllowWidening, OfOrganizations, ProfileName, Teams
from aiodoo.cli.state import check_recordable, session_options
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.cli.terminal.progress import Screen
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo import Forecast, Operation, Session, Tenants, WebhookConfiguration
    from aiodoo.walk import Walk

ANOTHER = "another sandbox"

LARGEST = 16 << 20
"""Maximum size of the file of --teams, in bytes."""


async def move_host(
    old: str,
    new: str,
    *,
    team: Teams = None,
    organization: OfOrganizations = None,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Replace a host in the endpoints of all webhook configurations of all teams.

    Only the host of hook endpoints and token URLs changes. Each replacement is created and confirmed before the old
    webhook configuration is deleted, so that one is always live. A forecast is shown first.

    Parameters
    ----------
    old
        The old host, such as crm.example; with a port it matches that port only.
    new
        The new host.
    """
    from aiodoo.models.endpoints import check_hosts  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.operations import move_hosts  # noqa: PLC0415

    try:
        checked = check_hosts({old: new})
    except ConfigError as error:
        raise WrongUsage(str(error)) from None
    if new.lower() in checked:
        raise WrongUsage(f"the old host and the new one are both {old}. Nothing was sent.")
    there: set[str] = set()

    def moved(webhooks: Sequence[WebhookConfiguration]) -> Sequence[Operation]:
        operations = move_hosts(webhooks, {old: new})
        there.update(urlsplit(hook.endpoint).netloc for webhook in webhooks for hook in webhook.hooks)
        return operations

    return await _change_all(
        settings,
        moved,
        teams=team,
        organizations=organization,
        command=f"move-host {old} {new}",
        question=f"Move them from {old} to {new}?",
        widening=allow_widening,
        none=lambda: _no_host(old, there),
    )


def _no_host(old: str, there: set[str]) -> str:
    """Say that no endpoint is at a host, and which ones are; it may be mistyped, or moved already."""
    from difflib import get_close_matches  # noqa: PLC0415  # --help does without

    some = ", ".join(get_close_matches(old, there, 3) or sorted(there)[:3])
    return f"no webhook configuration has the host {old}{'; others have ' + some if some else ''}."


async def rotate_secret(
    secret: str,
    *,
    team: Teams = None,
    organization: OfOrganizations = None,
    name: str | None = None,
    token_url: str | None = None,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Set a new client secret in all webhook configurations with an authentication, in all teams.

    A forecast is shown first. A run with env: or file: can be resumed without typing the secret again.

    Parameters
    ----------
    secret
        The new client secret: env:NAME, file:PATH, or "ask".
    name
        Only names that match this pattern; * and ? match any characters.
    token_url
        Only token URLs that match this pattern.
    """
    from aiodoo import operations  # noqa: PLC0415  # loads what --help can do without

    new = await configurations.secret_of(secret)
    return await _change_all(
        settings,
        partial(operations.rotate_secret, secret=new, token_url=token_url),
        teams=team,
        organizations=organization,
        name=name,
        command=f"rotate-secret {secret}",
        question="Give them the new secret?",
        widening=allow_widening,
    )


async def _change_all(
    settings: Context,
    make: Callable[[Sequence[WebhookConfiguration]], Sequence[Operation]],
    *,
    teams: Sequence[str] | None,
    organizations: Sequence[str] | None,
    name: str | None = None,
    command: str,
    question: str,
    widening: bool,
    none: Callable[[], str] | None = None,
) -> int:
    """Read all teams of all tenants, and execute the operations that `make` returns for what was read."""
    make(())  # refuse invalid arguments before anything is read
    async with settings.tenants(changes=True) as tenants:
        chosen, unread = await chosen_teams(settings, tenants, teams, organizations)

        async def read(tenant: str, doo: Session) -> Forecast:
            walk = await _all(settings, tenants, tenant, teams=chosen[tenant], name=name)
            read = await walk.collect(on_page=lambda page: screen.count(tenant, len(page.items)))
            return await doo.bulk.forecast(make(read), baseline=read)

        with Screen(settings.talk) as screen:
            read_of_all = await tenants.each(read, only=chosen)
        forecasts, failed = settings.sorted_out(read_of_all)
        failed = unread or failed
        if failed and not forecasts:
            settings.talk.say("nothing was changed.", level="error")
            return failed
        if any(forecast.scope_unknown for forecast in forecasts.values()):
            configurations.warn_of_widening(settings, allowed=widening)
        if none is not None and not any(forecast.operations for forecast in forecasts.values()):
            settings.talk.say(none())
        code = await carry_out.carry_out(settings, tenants, forecasts, command=command, question=question)
        return failed or code


async def _all(
    settings: Context, tenants: Tenants, tenant: str, *, teams: Sequence[str], name: str | None
) -> Walk:
    """Return a stable walk over the given teams, else the profile's, else all teams that doo lists.

    Raises:
        TeamClaimed: another run has claimed one of them; no team was read.
    """
    profile, doo = tenants.profiles.get(tenant), tenants[tenant]
    given = tuple(teams) or (() if profile is None else profile.teams)
    chosen = await unclaimed(settings, doo, given, carry_out.profile_of(tenants, tenant))
    webhooks = doo.background().webhooks
    if not chosen:
        return webhooks.list_all(stable=True, name=name)
    return webhooks.list(chosen, stable=True, name=name)


async def copy(
    *,
    from_profile: ProfileName | None = None,
    to_profile: ProfileName | None = None,
    team: Annotated[
        list[str] | None, Parameter(name=["--team", "-t"], negative="", completer=team_ids)
    ] = None,
    teams: Path | None = None,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Copy the webhook configurations of one account to another one, team by team. A forecast is shown first.

    Exact copies that exist already are not created again, and nothing is deleted. `aiodoo runs resume` continues it
    after an interruption, and reads the secrets that it needs from the first account again.

    Parameters
    ----------
    from_profile
        The profile that has them; with --sandbox a sandbox, whose teams are 111, 112 and 113.
    to_profile
        The profile to copy to; with --sandbox another sandbox with the same teams, which are empty.
    team
        FROM=TO, two team ids; may be given several times.
    teams
        A file with one line "FROM TO" per team.
    """
    from aiodoo.operations import copy_to_teams  # noqa: PLC0415  # loads aiohttp, which --help can do without

    table = _team_table(team or [], teams)
    async with _sides(settings, from_profile, to_profile) as (tenants, origin, goal):
        if not settings.dry_run:
            await refuse_claimed(tenants[goal], set(table.values()))
        with Screen(settings.talk) as screen:
            walk = tenants[origin].background().webhooks.list(tuple(table), stable=True)
            found = await walk.collect(on_page=lambda page: screen.count(origin, len(page.items)))
        copies = copy_to_teams(found, table)
        for left in copies.left:
            settings.talk.say(
                str(left.error), level="warning", team_id=left.webhook.team_id, webhook_id=left.webhook.id
            )
        forecast = await carry_out.forecast_of(tenants[goal], copies.operations)
        if copies.scope_unknown and carry_out.changes(forecast):
            configurations.warn_of_widening(settings, allowed=allow_widening)
        question = f"Copy them from {origin} to {goal}?"
        if copies.left:
            question = f"Copy all but {len(copies.left)} from {origin} to {goal}?"
        code = await carry_out.carry_out(
            settings,
            tenants,
            {goal: forecast},
            command=f"copy {origin} {goal}",
            question=question,
            origin=carry_out.profile_of(tenants, origin),
        )
    return code or (FAILED if copies.left else DONE)


@asynccontextmanager
async def _sides(
    settings: Context, source: str | None, target: str | None
) -> AsyncIterator[tuple[Tenants, str, str]]:
    """Open the two accounts of a copy; yield the tenants and the names of both."""
    from aiodoo import Session, Tenants, profiles  # noqa: PLC0415  # load aiohttp, which --help can do without

    if settings.all_profiles or settings.profile is not None:
        raise WrongUsage("copy takes --from-profile and --to-profile, and no other choice of profiles.")
    if settings.sandbox:
        if source is not None or target is not None:
            raise WrongUsage("with --sandbox, copy goes from one sandbox to another, and takes no profile.")
        async with sandbox_options() as full, sandbox_options(webhooks_per_team=0) as empty:
            boxes = {SANDBOX: Session(**full), ANOTHER: Session(**empty)}
            async with Tenants(boxes) as tenants:
                yield tenants, SANDBOX, ANOTHER
        return
    if source is None or target is None:
        raise WrongUsage("use --from-profile and --to-profile, or --sandbox to try it.")
    attrs.evolve(settings, named=(source, target)).check_profiles()
    sides = {
        name: profiles.load(name, config=settings.config, environment=False) for name in (source, target)
    }
    if settings.keeps_records and not settings.dry_run:
        check_recordable()
    with ExitStack() as stack:
        options = session_options(settings.talk, stack)
        async with Tenants(sides, config=settings.config, **options) as tenants:
            yield tenants, source, target


def _team_table(pairs: list[str], file: Path | None) -> dict[str, str]:
    """Return the target team of each team.

    Raises:
        WrongUsage: no team is given.
        ConfigError: the file cannot be read, or a pair is invalid.
    """
    lines: list[tuple[str, Sequence[str]]] = [(pair, pair.split("=")) for pair in pairs]
    if file is not None:
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
            text = content.decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigError(f"{file} cannot be read: {reason}; nothing was sent") from None
        if len(content) > LARGEST:
            raise ConfigError(f"{file} is larger than {LARGEST >> 20} MiB; nothing was sent")
        for number, line in enumerate(text.splitlines(), 1):
            named = line.partition("#")[0].replace(",", " ").replace("=", " ").split()
            if named:
                lines.append((f"{file}, line {number}", named))
    table: dict[str, str] = {}
    for where, ids in lines:
        wrong = ConfigError if where.startswith(f"{file}, ") else WrongUsage
        if len(ids) != 2 or not all(ids):
            raise wrong(
                f"{where}: write the id of one team and that of the team it goes to; nothing was sent."
            )
        if ids[0] in table:
            raise wrong(f"{where}: the team {ids[0]} is named twice; nothing was sent.")
        table[ids[0]] = ids[1]
    if not table:
        raise WrongUsage("say which team goes where, with --team FROM=TO or --teams FILE.")
    return table
