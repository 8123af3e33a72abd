"""`aiodoo runs resume`: resume one run, or all that are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from aiodoo.cli import carry_out, run_folders
from aiodoo.cli.context import ENVIRONMENT, Context, Given
from aiodoo.cli.kept_runs import folder, record_of, refuse_sandbox, session_of, summary_of
from aiodoo.cli.options import RunId, Seconds, Several, Switch
from aiodoo.cli.origin_secrets import OriginSecrets
from aiodoo.cli.printed_outcomes import Outcomes
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.cli.terminal.output import counted
from aiodoo.cli.terminal.process import AT_ONCE, stop_signal
from aiodoo.cli.terminal.progress import Screen
from aiodoo.cli.typed_secrets import given_secrets, secret_for, still_needed
from aiodoo.cli.unfinished_runs import due_runs
from aiodoo.errors import ConfigError, DooError, SecretsNeeded
from aiodoo.settling import SETTLE

if TYPE_CHECKING:
    from aiodoo import Report, Secret


async def resume(
    run: RunId = None,
    *,
    stopped: Switch = False,
    secret: Several = None,
    settle: Seconds = SETTLE,
    moved: Switch = False,
    settings: Given,
) -> int:
    """Resume runs that were stopped, killed or parked; nothing is lost and nothing is done twice.

    Without an id these are all runs of the profile, or with --all-profiles of all profiles, that were interrupted, or
    parked until now. If there is none, the exit code is 0.

    A secret that was typed is not stored; it is asked for again, and must be the same. With --moved every create that may
    have been sent is looked for first.

    Parameters
    ----------
    run
        Its id or the beginning of it; by default all that are due. A finished run is only reported.
    stopped
        Without an id: also runs that a person has stopped with Ctrl-C, maybe because they were wrong.
    secret
        ID=env:NAME or ID=file:PATH, the secret for the webhook configuration ID, which is not asked for then; repeatable.
    settle
        Seconds for which a create whose answer was lost may still land; a sandbox that loses no answers needs 1.
    moved
        Confirm that the run's journal is the latest one and was only copied or moved, where nothing else shows it.
    """
    refuse_sandbox(settings)
    if run is None:
        runs, code = due_runs(settings, stopped=stopped)
    elif settings.all_profiles or stopped:
        raise WrongUsage("--all-profiles and --stopped choose runs; name none with them.")
    else:
        runs, code = [run_folders.find(folder(), run)], DONE
    if not runs:
        Outcomes(settings, {}).finish({})
        return code
    given = await given_secrets(secret or [])
    if settings.dry_run:
        with settings.sheet("run") as sheet:
            for each in runs:
                record = _say_how_far(settings, each)
                if not settings.is_table:
                    sheet.add(record)
        settings.talk.say("this was a dry run; nothing was changed.")
        return code
    named = _named(runs)
    screen, outcomes = Screen(settings.talk), Outcomes(settings, named)
    going = _all(settings, named, _Options(given, settle, moved, screen, outcomes))
    reports = await carry_out.with_progress(settings, going, named, screen, outcomes)
    ended = carry_out.report(settings, reports, named, outcomes)
    return FAILED if FAILED in {code, ended} else ended


@attrs.frozen
class _Options:
    """What is the same for all runs that one command resumes."""

    secrets: Mapping[str, Secret]
    settle: float
    moved: bool
    screen: Screen
    outcomes: Outcomes


def _named(runs: Sequence[RunFolder]) -> dict[str, RunFolder]:
    """Return the runs by the names that messages have for them: their profiles, where these tell them apart."""
    names = [run.profile or ENVIRONMENT for run in runs]
    count = Counter(names)
    return {name if count[name] == 1 else run.id: run for name, run in zip(names, runs, strict=True)}


async def _all(
    settings: Context, named: Mapping[str, RunFolder], options: _Options
) -> dict[str, Report | DooError]:
    """Resume the runs of each profile one after the other, and those of several profiles at once."""
    import asyncio  # noqa: PLC0415  # --help does without

    ended: dict[str, Report | DooError] = {}

    async def of_profile(profile: str | None) -> None:
        for name, run in named.items():
            stop = stop_signal()
            if run.profile == profile and not (stop is not None and stop.is_set()):
                try:
                    ended[name] = await _resume_one(settings, name, run, options)
                except DooError as error:
                    if len(named) == 1:
                        raise
                    ended[name] = error

    await asyncio.gather(*map(of_profile, dict.fromkeys(run.profile for run in named.values())))
    return {name: ended[name] for name in named if name in ended}


async def _resume_one(settings: Context, name: str, run: RunFolder, options: _Options) -> Report:
    seen = summary_of(run)
    if seen is not None and seen.abandoned:
        raise ConfigError(
            f"{run.id} was abandoned and cannot be resumed; nothing was sent. aiodoo runs verify {run.id} says what "
            f"is left of it, aiodoo runs undo {run.id} undoes that, and the same command begins a new run."
        )
    _say_how_far(settings, run)
    stopped = run.stopped
    async with session_of(settings, run) as (_, doo), OriginSecrets(run, settings.config) as origin:
        run.note_stopped(False)
        try:
            return await doo.bulk.resume(
                run.journal,
                secrets=partial(secret_for, options.secrets, origin),
                progress=partial(options.screen.follow, name),
                on_outcome=partial(options.outcomes.note, name),
                settle=options.settle,
                moved=options.moved,
                stop=stop_signal(),
                grace=AT_ONCE,
            )
        except DooError as error:
            if stopped:
                run.note_stopped()
            raise still_needed(error, run.id) if isinstance(error, SecretsNeeded) else error from None


def _say_how_far(settings: Context, run: RunFolder) -> dict[str, Any]:
    record = record_of(run, summary_of(run))
    begun = f", {record['begun']} begun" if record["begun"] else ""
    settings.talk.say(
        f"{run.id}: {run.command}; {record['done']} of {counted(record['operations'], 'operation')} done{begun}, with "
        f"{counted(record['requests'], 'request')}.",
        run=run.id,
    )
    return record
