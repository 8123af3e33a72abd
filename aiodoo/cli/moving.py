"""`aiodoo copy`, `move-host` and `rotate-secret`: the jobs that people have, over every team."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from aiodoo.cli import configurations, jobs
from aiodoo.cli.jobs import Priced
from aiodoo.cli.options import AllowWidening
from aiodoo.cli.progress import Screen
from aiodoo.cli.running import DONE, FAILED, WrongUsage
from aiodoo.cli.settings import Given, Settings
from aiodoo.errors import ConfigError, NotCopyable

if TYPE_CHECKING:
    from aiodoo import Operation, Page, Session, Tenants, WebhookConfiguration
    from aiodoo.walk import Walk

Several = Annotated[list[str] | None, Parameter(negative="")]
"""An option that may be given several times."""


def move_host(
    old: str, new: str, *, team: Several = None, allow_widening: AllowWidening = False, settings: Given
) -> int:
    """Move every webhook that calls one host to another, over all teams.

    Hook endpoints and token URLs move; the rest of each URL stays. Each webhook configuration is created anew and looked
    at before the old one is deleted, so that there is always one. The forecast comes first.

    Parameters
    ----------
    old
        The host, such as crm.example, or with a port to mean that port only.
    new
        The new host.
    team
        Only in this team; may be given several times.
    allow_widening
        Agree that a copy may reach further than the original, where doo's list may not show what limits it; --yes alone
        does not.
    """
    return settings.run(_move_host(settings, old, new, tuple(team or ()), widening=allow_widening))


async def _move_host(
    settings: Settings, old: str, new: str, teams: tuple[str, ...], *, widening: bool
) -> int:
    from aiodoo import Update  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.models.endpoints import check_hosts, move  # noqa: PLC0415

    hosts = check_hosts({old: new})

    def choose(webhook: WebhookConfiguration) -> Operation | None:
        urls = [hook.endpoint for hook in webhook.hooks]
        if webhook.authentication is not None:
            urls.append(webhook.authentication.endpoint)
        if all(move(url, hosts) == url for url in urls):
            return None
        return Update(webhook.team_id, webhook.id, hosts=hosts)

    command, question = f"move-host {old} {new}", f"Move them from {old} to {new}?"
    return await _change_all(settings, teams, choose, command, question, widening=widening)


def rotate_secret(
    secret: str,
    *,
    team: Several = None,
    name: str | None = None,
    token_url: str | None = None,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Give every webhook that logs in somewhere a new client secret, over all teams.

    The forecast comes first. With env: or file: the run can be resumed by `aiodoo runs resume`.

    Parameters
    ----------
    secret
        The new one: env:NAME, file:PATH, or "ask".
    team
        Only in this team; may be given several times.
    name
        Only those whose name is like this; * and ? stand for any characters.
    token_url
        Only those that log in at a URL like this.
    allow_widening
        Agree that a copy may reach further than the original, where doo's list may not show what limits it; --yes alone
        does not.
    """
    chosen = (tuple(team or ()), name, token_url)
    return settings.run(_rotate_secret(settings, secret, *chosen, widening=allow_widening))


async def _rotate_secret(
    settings: Settings,
    reference: str,
    teams: tuple[str, ...],
    name: str | None,
    token_url: str | None,
    *,
    widening: bool,
) -> int:
    from fnmatch import fnmatchcase  # noqa: PLC0415

    from aiodoo import Update  # noqa: PLC0415

    secret = await configurations.secret_of(reference)

    def choose(webhook: WebhookConfiguration) -> Operation | None:
        login = webhook.authentication
        if login is None or login.credentials.client_secret == secret:
            return None
        if name is not None and not fnmatchcase(webhook.name, name):
            return None
        if token_url is not None and not fnmatchcase(login.endpoint, token_url):
            return None
        return Update(webhook.team_id, webhook.id, client_secret=secret)

    command, question = f"rotate-secret {reference}", "Give them the new secret?"
    return await _change_all(settings, teams, choose, command, question, widening=widening)


async def _change_all(
    settings: Settings,
    teams: tuple[str, ...],
    choose: Callable[[WebhookConfiguration], Operation | None],
    command: str,
    question: str,
    *,
    widening: bool,
) -> int:
    """Read every team of every tenant, and carry out what is chosen for each webhook configuration."""
    async with settings.tenants() as tenants:
        wide = False

        async def read(name: str, doo: Session) -> Priced:
            nonlocal wide
            operations = []
            listed: dict[str, list[Page]] = {}
            async for page in _all(tenants, name, doo, teams).pages():
                listed.setdefault(page.team_id, []).append(page)
                for webhook in page.items:
                    screen.count(name)
                    if (operation := choose(webhook)) is not None:
                        operations.append(operation)
                        wide = wide or configurations.may_widen(doo, webhook)
            return Priced.of(doo, operations, listed)

        with Screen(settings.talk) as screen:
            read_of_all = await tenants.each(read)
        priced, code = settings.sorted_out(read_of_all)
        if code:
            settings.talk.say("nothing was changed.", level="error")
            return code
        if wide:
            configurations.warn_of_widening(settings, allowed=widening)
        return await jobs.carry_out(settings, tenants, priced, command=command, question=question)


def _all(tenants: Tenants, name: str, doo: Session, teams: Iterable[str]) -> Walk:
    """Walk some teams, those that the profile names, or every one that doo names."""
    profile = tenants.profiles.get(name)
    chosen = tuple(teams) or (() if profile is None else profile.teams)
    webhooks = doo.background().webhooks
    return webhooks.list(chosen) if chosen else webhooks.list_all()


def copy(
    *,
    from_profile: str,
    to_profile: str,
    team: Annotated[list[str] | None, Parameter(name=["--team", "-t"], negative="")] = None,
    teams: Path | None = None,
    allow_widening: AllowWidening = False,
    settings: Given,
) -> int:
    """Copy the webhook configurations of one account to another one, team by team. The forecast comes first.

    What the other account has already, exactly so, is not made twice; nothing is deleted. To go on after an interruption
    call it again.

    Parameters
    ----------
    from_profile
        Where they are.
    to_profile
        Where they go.
    team
        FROM=TO, two team ids; may be given several times.
    teams
        A file with a line "FROM TO" for each team.
    allow_widening
        Agree that a copy may reach further than the original, where doo's list may not show what limits it; --yes alone
        does not.
    """
    return settings.run(_copy(settings, from_profile, to_profile, team or [], teams, widening=allow_widening))


async def _copy(
    settings: Settings,
    from_profile: str,
    to_profile: str,
    pairs: list[str],
    file: Path | None,
    *,
    widening: bool,
) -> int:
    from aiodoo import Ensure, Tenants, profiles  # noqa: PLC0415  # load aiohttp, which --help can do without

    if settings.sandbox or settings.all_profiles or settings.profile is not None:
        raise WrongUsage("copy takes --from-profile and --to-profile, and no other choice of profiles.")
    table = _team_table(pairs, file)
    sides = {
        name: profiles.load(name, config=settings.config, environment=False)
        for name in (from_profile, to_profile)
    }
    left_out, operations = 0, []
    async with Tenants(sides, config=settings.config) as tenants:
        source = tenants[from_profile]
        async for webhook in source.background().webhooks.list(tuple(table)):
            try:
                operations.append(Ensure(table[webhook.team_id], webhook.copy()))
            except NotCopyable as error:
                left_out += 1
                settings.talk.say(str(error), level="warning", team_id=webhook.team_id, webhook_id=webhook.id)
        if any(configurations.may_widen(source, operation.config) for operation in operations):
            configurations.warn_of_widening(settings, allowed=widening)
        question = f"Copy them from {from_profile} to {to_profile}?"
        if left_out:
            question = f"Copy all but {left_out} from {from_profile} to {to_profile}?"
        code = await jobs.carry_out(
            settings,
            tenants,
            {to_profile: await Priced.by_reading(tenants[to_profile], operations)},
            command=f"copy {from_profile} {to_profile}",
            question=question,
        )
    return code or (FAILED if left_out else DONE)


def _team_table(pairs: list[str], file: Path | None) -> dict[str, str]:
    """Return which team goes where."""
    lines: list[tuple[str, Sequence[str]]] = [(pair, pair.split("=")) for pair in pairs]
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigError(f"{file} cannot be read: {reason}; nothing was sent") from None
        for number, line in enumerate(text.splitlines(), 1):
            named = line.partition("#")[0].replace(",", " ").replace("=", " ").split()
            if named:
                lines.append((f"{file}, line {number}", named))
    table: dict[str, str] = {}
    for where, words in lines:
        if len(words) != 2 or not all(words):
            raise ConfigError(
                f"{where}: write the id of one team and that of the team it goes to; nothing was sent"
            )
        if words[0] in table:
            raise ConfigError(f"{where}: the team {words[0]} is named twice; nothing was sent")
        table[words[0]] = words[1]
    if not table:
        raise WrongUsage("say which team goes where, with --team FROM=TO or --teams FILE.")
    return table
