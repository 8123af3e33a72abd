"""Refuses teams that another run has claimed, before a command reads or changes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aiodoo.checks import storable
from aiodoo.cli import run_folders
from aiodoo.cli.kept_runs import folder
from aiodoo.errors import DooError

if TYPE_CHECKING:
    from aiodoo import Session
    from aiodoo.bulk.journal import SharedJournal
    from aiodoo.cli.context import Context
    from aiodoo.quota.claims import Claim


async def refuse_claimed(
    doo: Session, teams: Collection[str], *, own: Path | SharedJournal | None = None
) -> None:
    """Refuse teams if another run has claimed one of them; costs no request.

    Args:
        doo: the session.
        teams: the teams to change.
        own: the journal of the run that the command resumes, whose claims are ignored.

    Raises:
        TeamClaimed: another run, which may be unfinished, has claimed one of them.
    """
    for claim in await doo.bulk.claims(teams, journal=own):
        raise claim.refusal()


async def unclaimed(
    settings: Context, doo: Session, teams: Sequence[str], profile: str | None
) -> tuple[str, ...]:
    """Return the teams to change if no other run has claimed one; empty means all teams that doo lists.

    Costs no request, unless `teams` is empty and there are claims: then the organizations are listed.

    Args:
        settings: the options of the command.
        doo: the session.
        teams: the given teams; empty means all teams that doo lists.
        profile: the name of the session's profile, if it has one.

    Raises:
        TeamClaimed: another run, which may be unfinished, has claimed one of them.
    """
    claims = () if settings.dry_run else await doo.bulk.claims()
    if not claims:
        return tuple(teams)
    if teams:
        await refuse_claimed(doo, teams)
        return tuple(teams)
    for claim in claims:
        if profile is not None and _is_of(claim, profile, settings.config):
            raise claim.refusal()
    ids = [team_id async for team_id in doo.background().organizations.team_ids()]
    named = tuple(dict.fromkeys(ids))
    await refuse_claimed(doo, named)
    return named


def _is_of(claim: Claim, profile: str, config: Path | None) -> bool:
    """Return whether a run was started by the command line for this profile, so that doo lists its teams."""
    if claim.journal is None:
        return False
    try:
        runs = [run for run in run_folders.all_of(folder()) if storable(str(run.journal)) == claim.journal]
    except DooError:
        return False
    return any(run.profile == profile and run.config == _text(config) for run in runs)


def _text(config: Path | None) -> str | None:
    return None if config is None else str(config.absolute())
