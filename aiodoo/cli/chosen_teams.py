"""The teams of a command: those of --team, those of --organization, or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiodoo.cli.context import Context
from aiodoo.cli.terminal.exit_codes import DONE, WrongUsage

if TYPE_CHECKING:
    from aiodoo import Organization, Session, Tenants
    from aiodoo.tenants import TenantWalk

_NAMED = 5
"""Number of organizations that a message names."""


async def chosen_teams(
    settings: Context, tenants: Tenants, teams: Sequence[str] | None, organizations: Sequence[str] | None
) -> tuple[dict[str, tuple[str, ...]], int]:
    """Return the teams of each tenant that has some, where none means all of them, and the exit code so far.

    Costs no request, or with organizations one a tenant.

    Args:
        settings: the options of the command.
        tenants: the tenants.
        teams: the ids of --team.
        organizations: the ids or names of --organization.

    Raises:
        WrongUsage: both are given, or an organization is unknown or ambiguous; no webhook configuration was read.
        DooError: the only tenant's organizations cannot be read.
    """
    if not organizations:
        return dict.fromkeys(tenants, tuple(teams or ())), DONE
    if teams:
        raise WrongUsage("--team and --organization exclude each other. Nothing was sent.")

    async def read(_: str, doo: Session) -> list[Organization]:
        return [each async for each in doo.background().organizations.list()]

    found, code = settings.sorted_out(await tenants.each(read))
    chosen: dict[str, list[str]] = {}
    for text in organizations:
        matches = {name: _matching(text, all_) for name, all_ in found.items()}
        if code == DONE and not any(matches.values()):
            raise WrongUsage(_unknown(text, found))
        for name, organization in matches.items():
            if organization is not None:
                chosen.setdefault(name, []).extend(organization.team_ids)
    profiles = tenants.profiles
    kept = {
        name: tuple(
            team
            for team in dict.fromkeys(ids)
            if name not in profiles or not profiles[name].teams or team in profiles[name].teams
        )
        for name, ids in chosen.items()
    }
    if code == DONE and not any(kept.values()):
        raise WrongUsage(f"{' and '.join(organizations)} has no team here. Nothing was read or changed.")
    return {name: ids for name, ids in kept.items() if ids}, code


def walk_over(tenants: Tenants, chosen: Mapping[str, tuple[str, ...]], *, stable: bool = False) -> TenantWalk:
    """Return a walk over the chosen teams, which collects errors."""
    teams = {name: ids for name, ids in chosen.items() if ids}
    return tenants.webhooks(teams=teams, only=chosen, on_error="collect", stable=stable)


def _matching(text: str, organizations: Sequence[Organization]) -> Organization | None:
    """Return the organization with this id, else that with this name; None if there is none.

    Raises:
        WrongUsage: several have this name.
    """
    by_id = [each for each in organizations if each.id == text]
    found = by_id or [each for each in organizations if (each.name or "").casefold() == text.casefold()]
    if len(found) > 1:
        raise WrongUsage(
            f"{len(found)} organizations are called {text!r}: {_some(found)}. Use the id of one. Nothing was read or "
            "changed."
        )
    return found[0] if found else None


def _unknown(text: str, found: Mapping[str, Sequence[Organization]]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # only for an error

    all_ = [each for of_tenant in found.values() for each in of_tenant]
    close = get_close_matches(text, [each.name for each in all_ if each.name], max(1, len(all_)))
    shown = [each for each in all_ if each.name in close] or all_
    known = f"there are {_some(shown)}" if shown else "doo names none"
    return f"no organization has the id or the name {text!r}; {known}. Nothing was read or changed."


def _some(organizations: Sequence[Organization]) -> str:
    named = ", ".join(f"{each.name} ({each.id})" for each in organizations[:_NAMED])
    more = len(organizations) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
