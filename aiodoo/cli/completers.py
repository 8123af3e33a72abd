"""What the shell completes beside commands and options: names and ids that are known on this machine, without a request."""

from __future__ import annotations

from collections.abc import Mapping

from aiodoo.cli import seen_teams


def profile_names(_: object) -> list[str]:
    """Return the names of all profiles."""
    from aiodoo import profiles  # noqa: PLC0415  # --help does without

    return list(profiles.names())


def run_ids(_: object) -> dict[str, str]:
    """Return the ids of all runs with their commands, the newest first; no journal is read."""
    from aiodoo.cli import run_folders  # noqa: PLC0415
    from aiodoo.profiles import runs_folder  # noqa: PLC0415

    return {run.id: run.command for run in reversed([*run_folders.all_of(runs_folder())])}


def team_ids(_: object) -> dict[str, str]:
    """Return the ids of teams that earlier commands have seen, with their profiles."""
    return dict(seen_teams.seen())


def hook_types(_: object) -> list[str]:
    """Return the hook types that doo's pages name."""
    from aiodoo.models import HOOK_TYPES  # noqa: PLC0415

    return list(HOOK_TYPES)


def resources(_: object) -> Mapping[str, str]:
    """Return the resources that doo can send again, with what each is of."""
    from aiodoo.models import RESOURCES  # noqa: PLC0415

    return {name: f"of one {needed.removesuffix('_id')}" for name, needed in RESOURCES.items()}
