"""`aiodoo runs undo`: restore the state before a run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiodoo.cli import carry_out, configurations, run_folders
from aiodoo.cli.claimed_teams import refuse_claimed
from aiodoo.cli.context import Context, Given
from aiodoo.cli.kept_runs import folder, refuse_sandbox, tenants_of
from aiodoo.cli.options import LastRun, NetDeletes, Seconds, Several, Switch
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.settling import SETTLE

if TYPE_CHECKING:
    from aiodoo import Secret


async def undo(
    run: LastRun = None,
    *,
    secret: Several = None,
    allow_net_deletes: NetDeletes = None,
    allow_widening: Switch = False,
    settle: Seconds = SETTLE,
    settings: Given,
) -> int:
    """Restore the state before a run, by a new run. A forecast is shown first.

    Created webhook configurations are deleted, deleted ones are created again with new ids, and changed ones get their
    old content. With --secret ID=none a client secret that the run replaced stays as it is.

    Parameters
    ----------
    secret
        ID=env:NAME, ID=file:PATH or ID=none, the client secret that ID had before the run; may be given several times.
    allow_net_deletes
        Agree to exactly this number of deletes; --yes alone agrees to none.
    allow_widening
        Agree that what is created again may reach more events than before; --yes alone does not.
    settle
        Seconds for which requests that the run had in flight may still land.
    """
    refuse_sandbox(settings)
    kept = run_folders.find(folder(), run)
    secrets: dict[str, str | Secret | None] = {}
    for webhook_id, reference in map(configurations.pair_of_secret, secret or []):
        stays = reference == "none"
        secrets[webhook_id] = None if stays else await configurations.secret_of(reference)
    async with tenants_of(settings, kept) as (profile, tenants):
        found = await tenants[profile].bulk.undo(
            kept.journal, secrets=secrets, settle=settle, on_wait=partial(_say_wait, settings, kept)
        )
        for left in found.left:
            settings.talk.say(
                f"team {left.outcome.operation.team_id}: {left.reason}", level="warning", run=kept.id
            )
        if not settings.dry_run:
            await refuse_claimed(tenants[profile], {each.team_id for each in found.operations})
        deletes = sum(operation.word == "delete" for operation in found.operations)
        if allow_net_deletes not in {None, deletes} or (
            deletes and allow_net_deletes is None and settings.yes
        ):
            raise WrongUsage(
                f"this deletes {deletes} webhook configurations; agree with --allow-net-deletes {deletes}. Nothing was "
                "changed."
            )
        if found.scope_unknown:
            configurations.warn_of_widening(settings, allowed=allow_widening)
        code = await carry_out.carry_out(
            settings,
            tenants,
            {profile: await carry_out.forecast_of(tenants[profile], found.operations)},
            command=f"undo {kept.id}",
            question=f"Undo {kept.id}?",
        )
    return code or (FAILED if found.left else DONE)


def _say_wait(settings: Context, run: RunFolder, seconds: float) -> None:
    settings.talk.say(
        f"{run.id}: waiting {seconds:.0f} s, until no request that the run had in flight can land any more; --settle sets "
        "that time.",
        run=run.id,
        seconds=seconds,
    )
