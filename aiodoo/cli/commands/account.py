"""`aiodoo login`, `whoami` and `quota`: the account, its credentials and its quota."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from aiodoo.cli.completers import profile_names
from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import OptionalCount, OptionalRate, Switch
from aiodoo.cli.state import one_ledger
from aiodoo.cli.terminal.exit_codes import DONE, USAGE, Declined, WrongUsage
from aiodoo.cli.terminal.prompt import ask, confirm
from aiodoo.cli.terminal.table import Column

if TYPE_CHECKING:
    from aiodoo import Session
    from aiodoo.profiles import Profile

KEYRING = "aiodoo"
"""The service name of secrets in the keyring."""

_ASKED = {"api_key": "API key", "client_id": "Client id", "client_secret": "Client secret"}


async def login(
    name: Annotated[str | None, Parameter(show_default=False, completer=profile_names)] = None,
    *,
    base_url: str | None = None,
    per_second: OptionalRate = 1,
    per_day: OptionalCount = 1000,
    store: Literal["file", "keyring"] = "file",
    settings: Given,
) -> int:
    """Ask for credentials, check them with doo, and save them as a profile.

    They are saved in ~/.config/aiodoo/config.toml, which only the owner can read, or in the keyring. Without a terminal
    they are read from standard input, one per line: API key, client id, client secret.

    Parameters
    ----------
    name
        The name of the profile; "default" by default.
    base_url
        The base URL instead of doo's, such as that of `aiodoo sandbox`.
    per_second
        Requests that the API key may send per second; --no-per-second means no limit.
    per_day
        Requests that the API key may send per day; --no-per-day means no limit.
    store
        Where the API key and the client secret are saved.
    """
    if settings.sandbox or settings.all_profiles:
        settings.talk.say(
            "log in to one account; `aiodoo sandbox` in another terminal is one.", level="error"
        )
        return USAGE
    limits: dict[str, Any] = {"per_second": per_second, "per_day": per_day}
    from aiodoo import Limits, Secret, Session, profiles  # noqa: PLC0415  # load aiohttp, which --help can do without
    from aiodoo.profiles.credentials import put_into_keyring  # noqa: PLC0415

    name = name or settings.profile or "default"
    known = profiles.names(settings.config)
    await _check_name(name, known, settings)
    given = {
        key: Secret((await ask(f"{title}: ", hidden=key != "client_id")).strip())
        for key, title in _ASKED.items()
    }
    options = {} if base_url is None else {"base_url": base_url}
    everything: dict[str, Any] = given | options
    ledger = one_ledger()
    async with Session(**everything, limits=Limits(**limits), quota=ledger) as doo:
        team = await doo.organizations.active_team()
    if settings.dry_run:
        settings.talk.say(
            f"Credentials accepted (active team {team.id}). This was a dry run; nothing was saved."
        )
        return DONE
    content = dict(everything)
    if limits != {"per_second": 1, "per_day": 1000}:
        content["limits"] = {key: "none" if limit is None else _short(limit) for key, limit in limits.items()}
    if store == "keyring":
        for key in ("api_key", "client_secret"):
            put_into_keyring(KEYRING, f"{name} {key}", given[key])
            content[key] = {"keyring": KEYRING, "user": f"{name} {key}"}
    path = profiles.store(name, content, config=settings.config)
    settings.talk.say(
        f"Credentials accepted (active team {team.id}). Saved as profile {name} in {path}.", level="success"
    )
    if known and name not in known:
        _keep_default(settings, known)
    return DONE


async def _check_name(name: str, known: Sequence[str], settings: Context) -> None:
    """Refuse what cannot be the name of a profile, and ask whether one that is there gets other credentials."""
    from aiodoo.profiles.tables import NO_NAME, is_name  # noqa: PLC0415  # loads what --help can do without

    if not is_name(name):
        raise WrongUsage(f"the profile {name!r} {NO_NAME}. Nothing was sent.")
    if name in known and not settings.yes:
        question = f"There is a profile {name} already. Give it other credentials?"
        if sys.stdin.isatty() and not await confirm(question):
            raise Declined
        if not sys.stdin.isatty():
            raise WrongUsage(f"there is a profile {name} already; use --yes to give it other credentials.")


def _keep_default(settings: Context, known: tuple[str, ...]) -> None:
    """Say which profile is the default after another one was added; the only one so far stays it."""
    from aiodoo import profiles  # noqa: PLC0415  # load aiohttp, which --help can do without
    from aiodoo.profiles.profile import opened  # noqa: PLC0415

    file = opened(settings.config)
    named = None if file is None else file.text("default")
    if named is None and len(known) == 1:
        (named,) = known
        profiles.set_default(named, config=settings.config)
    if named is not None:
        settings.talk.say(f"{named} stays the default; change it with: aiodoo profiles use NAME")


async def whoami(*, settings: Given) -> int:
    """Show the account, and where its credentials come from. Costs one request."""
    async with settings.tenants() as tenants:

        async def ask_doo(name: str, doo: Session) -> dict[str, Any]:
            team = await doo.organizations.active_team()
            limits = doo.limits
            return {
                "profile": name,
                "team_id": team.id,
                "organization_id": team.organization_id,
                "base_url": doo.base_url,
                "per_second": _short(limits.per_second),
                "per_day": limits.per_day,
                "credentials": _origins(tenants.profiles.get(name)),
            }

        found, code = settings.sorted_out(await tenants.each(ask_doo))
    if settings.is_table and not settings.all_profiles:
        for record in found.values():
            settings.show("account", record, cells=record | {"credentials": _in_words(record["credentials"])})
        return code
    columns = (Column("TEAM", lambda record: record["team_id"]), Column("BASE URL"), Column("PER SECOND"))
    with settings.sheet("account", *columns, Column("PER DAY")) as sheet:
        for record in found.values():
            sheet.add(record)
    return code


def _origins(profile: Profile | None) -> dict[str, str]:
    return {} if profile is None else dict(profile.origins)


def _in_words(origins: dict[str, str]) -> str:
    if len(set(origins.values())) == 1:
        return f"from {next(iter(origins.values()))}"
    return "\n".join(f"{_ASKED[key]} from {where}" for key, where in origins.items())


quota = App(name="quota", help="The used and remaining quota of the API key.", help_format="plaintext")


@quota.default
async def look(*, settings: Given) -> int:
    """Show the used and remaining quota of the API key, as counted by the ledger on this machine. Costs no request.

    The exit code is 3 if nothing is left.
    """
    async with settings.tenants(ledger="known") as tenants:
        found, code = settings.sorted_out(await tenants.each(_look))
    columns = [Column(title) for title in ("USED", "LEFT", "LEFT FOR BULK", "PER DAY", "PER SECOND")]
    free = Column("FREE AGAIN AT", lambda record: record["free_again_at"] or "now")
    with settings.sheet("quota", *columns, free) as sheet:
        for name, record in found.items():
            sheet.add({"profile": name, **record})
    spent = any(record["left"] == 0 for record in found.values())
    return code or (3 if spent else 0)


async def _look(_: str, doo: Session) -> dict[str, Any]:
    usage = await doo.quota.usage()
    return {
        "used": usage.used,
        "left": usage.left,
        "left_for_bulk": usage.left_for_bulk,
        "per_day": doo.limits.per_day,
        "per_second": _short(doo.limits.per_second),
        "free_again_at": _stamp(usage.resume_at),
    }


@quota.command
async def reset(*, ledger: Path | None = None, day_is_free: Switch = False, settings: Given) -> int:
    """Replace a damaged ledger by a new one, which counts the daily quota as exhausted. Costs no request.

    This applies to each API key that the old ledger knew, or, if it cannot be read, to all API keys.

    Claims of runs are lost with it; see `aiodoo runs list` first, and resume or abandon those runs. End every process
    that uses the ledger before. With --day-is-free a ledger that was reset before and is not damaged is kept.

    Parameters
    ----------
    ledger
        The file, instead of the one that all programs of this user share.
    day_is_free
        Count the daily quota as unused, if no API key has sent a request in the last 24 hours.
    """
    from aiodoo import profiles  # noqa: PLC0415  # load aiohttp, which --help can do without
    from aiodoo.quota import SQLite  # noqa: PLC0415

    path = ledger or profiles.ledger_path()
    day = "as unused" if day_is_free else "as spent"
    damaged = SQLite(path).check_reset(day_spent=not day_is_free)
    question = (
        f"Put {path} aside and begin a new ledger, which counts the day {day}?"
        if damaged
        else f"{path} is whole, and counts the day as spent since it was reset. Count it as unused?"
    )
    if not await settings.agreed(question):
        return DONE
    done = SQLite(path).reset(day_spent=not day_is_free)
    if done.aside is None:
        settings.talk.say("The ledger no longer counts the day as spent.", level="success")
        return DONE
    settings.talk.say(
        f"The damaged ledger is {done.aside} now; the new one counts the day {day}.", level="success"
    )
    for claim in done.claims:
        way = "it has no journal" if claim.journal is None else f"its journal is {claim.journal}"
        settings.talk.say(
            f"The claim of the run {claim.run} on {len(claim.teams)} teams is lost; {way}. Resume it before anything "
            "else changes these teams.",
            level="warning",
            run=claim.run,
        )
    settings.talk.say("Claims of other runs may be lost too; see aiodoo runs list.")
    return DONE


def _short(number: float | None) -> float | None:
    """Return a whole number as an int."""
    return int(number) if number is not None and number == int(number) else number


def _stamp(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")
