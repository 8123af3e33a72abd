"""`session.desired`: plans and applies a file of desired state."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

import anyio
import attrs

from aiodoo.bulk import Outcome, Progress, Report, RunOptions
from aiodoo.bulk.baselines import TeamList, usable
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournalPlace
from aiodoo.bulk.opening import PreparedRun
from aiodoo.bulk.options import RunSettings, journal_path
from aiodoo.bulk.run_progress import total_forecast
from aiodoo.checks import check_callback
from aiodoo.desired.file.building import WantedWebhook
from aiodoo.desired.file.secret_references import from_source, source_of
from aiodoo.desired.file.team_selection import Known, known_teams
from aiodoo.desired.file.wanted_state import read_wanted_state
from aiodoo.desired.planning import plan_file
from aiodoo.desired.planning.plan import Plan, PlannedChange, PlannedTeam, Problem
from aiodoo.desired.planning.planning import Drafted, TeamPlanner, new_hosts
from aiodoo.doo_warnings import Line
from aiodoo.error_meaning import for_run
from aiodoo.errors import DooError, NotFound, PlanDrift, UnsafePlan
from aiodoo.models.copying import marked_as_listed
from aiodoo.models.rules import unknown_types
from aiodoo.models.secret_fields import find_secrets
from aiodoo.operations import Create, Operation, Replace, encoding
from aiodoo.operations.compare import fingerprint
from aiodoo.operations.operations import warn_of_types
from aiodoo.organizations import Organizations
from aiodoo.quota import Lane
from aiodoo.secret import Secret
from aiodoo.walk import Collected, Listing, Lists

_log = logging.getLogger("aiodoo.desired")

_NAMED = 5


@attrs.frozen
class Desired:
    """Plans and applies the desired state that a file declares."""

    _context: RunContext
    _organizations: Organizations

    async def plan(
        self,
        file: str | os.PathLike[str],
        *,
        variables: Mapping[str, str] | None = None,
        prune: bool = False,
        outside_files: bool = False,
        on_teams: Callable[[Collection[str]], Awaitable[object]] | None = None,
        on_read: Callable[[int, int], object] | None = None,
    ) -> Plan:
        """Compare a YAML file with doo's lists and return a plan; nothing is changed.

        Costs one request for the organizations, if the file selects teams by them, and a stable list of each team: one
        request, or twice the number of pages if there are more.

        Args:
            file: the path; the format is described under "Desired state" in the documentation.
            variables: values that override the file's `variables`.
            prune: whether to delete managed webhook configurations that the file does not declare.
            outside_files: whether secrets may be in files outside of the file's folder. Whoever writes the file could
                otherwise have any file of yours sent to an endpoint of theirs.
            on_teams: awaited with the ids of the teams before any list is read; its exceptions are raised here.
            on_read: called after each list with the number of lists that were read, and the total.

        Raises:
            ConfigError: the file is invalid. The message has file, line, column and remedy.
            DooError: doo cannot be reached or refuses the credentials. An error of a single team becomes one of the
                plan's `problems` instead.
        """
        context, line = self._context, Line.of_caller()
        check_callback(on_read, "on_read")
        # In a thread, as parsing takes long for large files, and secrets may be read from files.
        state = await context.worker.do(
            lambda: read_wanted_state(Path(file), variables or {}, context.facts, outside_files=outside_files)
        )
        known: Known = {}
        if state.asks_doo:
            known = known_teams([each async for each in self._organizations.list()])
        by_team = await context.worker.do(lambda: state.by_team(known))
        if on_teams is not None:
            await on_teams(by_team.keys())
        hooks = [
            hook
            for targets in by_team.values()
            for target in targets
            if not target.as_listed
            for hook in target.config.hooks
        ]
        warn_of_types(unknown_types(hooks, context.facts.type_suffix), line, state.source.place_of_type)
        planning = TeamPlanner(
            state.ownership, prune, context.owner.key, context.facts, context.limits.interval
        )
        listings, errors = await self._read(by_team, on_read)
        problems = [
            Problem(team_id, f"its list could not be read: {errors[team_id]}")
            for team_id in by_team
            if team_id in errors
        ]
        drafts = [
            await context.worker.do(partial(planning.draft, listings[team_id], known.get(team_id), targets))
            for team_id, targets in by_team.items()
            if team_id in listings
        ]
        plan = await context.worker.do(
            lambda: self._plan(str(file), drafts, problems, targets=by_team, prune=prune)
        )
        read = {team_id: Collected.of(listing, context.lists) for team_id, listing in listings.items()}
        now = [
            attrs.evolve(draft.forecast, requests=draft.forecast.requests + draft.saved) for draft in drafts
        ]
        return attrs.evolve(plan, baseline=Lists(read), cost_now=total_forecast(now, context.limits))

    async def read(self, path: str | os.PathLike[str]) -> Plan:
        """Return the plan in a plan file; costs no request.

        Args:
            path: a file written by `write`.

        Raises:
            ConfigError: there is no such file, or it is no plan.
            PlanDrift: the file was edited, or made for another API key.
        """
        context = self._context
        return await context.worker.do(
            lambda: plan_file.read(Path(path), account=context.owner.account, key=context.owner.key)
        )

    async def write(self, plan: Plan, path: str | os.PathLike[str]) -> None:
        """Write a plan into a file that only its owner can read; it contains no secrets.

        Args:
            plan: the plan.
            path: the file.

        Raises:
            ConfigError: the file cannot be written.
        """
        await self._context.worker.do(lambda: plan_file.write(plan, Path(path)))

    async def apply(
        self,
        plan: Plan | str | os.PathLike[str],
        *,
        journal: JournalPlace | None = None,
        allow_net_deletes: int = 0,
        allow_widening: bool = False,
        progress: Callable[[Progress], object] | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        on_read: Callable[[int, int], object] | None = None,
        **options: Unpack[RunOptions],
    ) -> Report:
        """Apply exactly a plan, or nothing.

        First the teams to be changed are claimed and their lists read again; if a list has changed, nothing is done.
        Then the plan is executed as one run with the guarantees of `bulk.run`. If a team has changed before the run
        reaches it, its changes are skipped, each with a `PlanDrift`. If `journal` is that of an unfinished run of this
        plan, the run is resumed; if the run is finished, its report is returned and nothing is sent.

        Costs what `plan.cost` says. With `baseline=plan.baseline` it costs two lists less per team, as long as the
        baseline is recent enough for a run; what is replaced or deleted is read nevertheless.

        Args:
            plan: the plan, or a file written by `write`.
            journal: the path of the journal, or one of `aiodoo.journals`.
            allow_net_deletes: the exact number of webhook configurations that may be deleted without a replacement.
            allow_widening: whether replacements may have a wider scope than what they replace (`plan.may_widen`).
            progress: called with a `Progress` after every step.
            on_outcome: called with the `Outcome` of each operation that has ended, as for `bulk.run`.
            **options: as for `bulk.run`, see `RunOptions`: `settle on_exhausted grace stop stop_within outage marker
                keep_secrets canary secrets on_finished baseline on_claimed moved command
                foreground max_pairs`.
            on_read: called after each list that is read again with the number of lists that were read, and the total.

        Raises:
            ConfigError: an option is invalid; nothing was sent.
            TeamClaimed: another run works on one of the teams, or is unfinished there; nothing was sent.
            PlanDrift: the plan was edited, or a list or a secret has changed; nothing was changed.
            DooError: a list could not be read again; nothing was changed.
            UnsafePlan: the plan deletes more or less, or widens more, than is allowed, or a declared webhook
                configuration cannot be made (`plan.unmade`); nothing was sent.
            JournalMismatch: the journal is of another run; nothing was sent.
        """
        context = self._context
        # Checked before the lists are read again, which costs requests.
        settings = RunSettings.of(options, journal=journal, progress=progress, on_outcome=on_outcome)
        check_callback(on_read, "on_read")
        if not isinstance(plan, Plan):
            plan = await self.read(plan)
        made = plan
        account, key = context.owner.account, context.owner.key
        await context.worker.do(lambda: plan_file.check(made, account=account, key=key))
        _check_consent(plan, allow_net_deletes=allow_net_deletes, allow_widening=allow_widening)
        operations = await context.worker.do(lambda: self._operations(made))
        order = PreparedRun(
            context=context,
            operations=operations,
            settings=settings,
            journal=None if journal is None else journal_path(journal),
            allow_net_deletes=allow_net_deletes,
            listings={team.id: team.listing for team in plan.teams if team.changes},
            look_first=partial(self._check_lists, plan, on_read, settings.baseline),
        )
        return await order.run()

    async def _read(
        self, team_ids: Collection[str], on_read: Callable[[int, int], object] | None
    ) -> tuple[dict[str, Listing], dict[str, DooError]]:
        """Read the stable lists of teams concurrently, in the lane of runs; return lists and errors by team id."""
        await self._context.lists.check_day(len(team_ids), Lane.BULK)
        listings: dict[str, Listing] = {}
        errors: dict[str, DooError] = {}
        semaphore = anyio.Semaphore(self._context.limits.concurrency)

        async def read(team_id: str) -> None:
            try:
                listings[team_id] = await self._context.lists.read(
                    team_id,
                    stable=True,
                    lane=Lane.BULK,
                    deadline=None,
                    most=self._context.limits.per_day_for_bulk,
                )
            except DooError as error:
                if for_run(error).ends_all:
                    raise
                errors[team_id] = error
            finally:
                semaphore.release()
            _notify(on_read, len(listings) + len(errors), len(team_ids))

        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as group:
                for team_id in team_ids:
                    await semaphore.acquire()
                    group.start_soon(read, team_id)
        except BaseExceptionGroup as failures:
            # Raised alone, as an error such as a refused API key is the same for all teams.
            failure = failures.exceptions[0]
        if failure is not None:
            raise failure
        return listings, errors

    def _plan(
        self,
        file: str,
        drafts: Sequence[Drafted],
        problems: Sequence[Problem],
        *,
        targets: Mapping[str, Sequence[WantedWebhook]],
        prune: bool,
    ) -> Plan:
        context = self._context
        plan = Plan(
            file=file,
            made_at=context.clock.now(),
            account=context.owner.account,
            prune=prune,
            teams=tuple(draft.team for draft in drafts),
            problems=(*problems, *(problem for draft in drafts for problem in draft.problems)),
            secrets=self._fingerprints(targets),
            new_hosts=new_hosts(drafts),
            cost=total_forecast([draft.forecast for draft in drafts], context.limits),
        )
        return plan_file.sealed(plan, context.owner.key)

    def _fingerprints(self, targets: Mapping[str, Sequence[WantedWebhook]]) -> dict[str, str]:
        found = {}
        for target in (target for of_team in targets.values() for target in of_team):
            for secret in find_secrets(target.config).values():
                if (source := source_of(secret)) is not None and source not in found:
                    found[source] = self._fingerprint(secret)
        return dict(sorted(found.items()))

    def _fingerprint(self, secret: Secret) -> str:
        return hmac.new(self._context.owner.key, secret.reveal().encode(), hashlib.sha256).hexdigest()

    def _operations(self, plan: Plan) -> list[Operation]:
        """Return the operations of a plan with their secrets; raise PlanDrift if a secret has changed."""
        for source, known in plan.secrets.items():
            if self._fingerprint(from_source(source)) != known:
                raise PlanDrift(
                    f"the secret from {source} is another than when the plan was made; nothing was sent. Plan again"
                )
        operations = [_operation_of(change) for change in plan]
        # Read now, so that the run sends the secrets that were compared.
        encoding.reveal_all(operations)
        return operations

    async def _check_lists(
        self, plan: Plan, on_read: Callable[[int, int], object] | None, given: Mapping[str, Collected]
    ) -> None:
        """Raise PlanDrift if the list of a team that is to be changed has changed since the plan."""
        changed = {team.id: team for team in plan.teams if team.changes}
        fresh = {team_id: found for team_id, team in changed.items() if (found := self._fresh(team, given))}
        listings, errors = await self._read([each for each in changed if each not in fresh], on_read)
        for error in errors.values():
            if not isinstance(error, NotFound):
                raise error
        drifted = await self._context.worker.do(lambda: self._drifted(changed, {**listings, **fresh}))
        if drifted:
            raise PlanDrift(
                f"{len(drifted)} of {len(changed)} teams are not as they were when the plan was made: "
                f"{_some(drifted)}; nothing was changed. Plan again"
            )

    def _fresh(self, team: PlannedTeam, given: Mapping[str, Collected]) -> TeamList | None:
        """Return the given baseline of a team if a run can use it, else None."""
        creates = any(change.kind == "create" for change in team.changes)
        return usable(given, team.id, self._context.lists, ensures=creates)

    def _drifted(
        self, changed: Mapping[str, PlannedTeam], listings: Mapping[str, Listing | TeamList]
    ) -> list[str]:
        """Return the ids of teams that do not exist any more, or whose lists have changed."""
        key, facts = self._context.owner.key, self._context.facts
        return [
            team_id
            for team_id, team in changed.items()
            if team_id not in listings
            or fingerprint(team_id, listings[team_id].webhooks, key, facts) != team.listing
        ]


def _operation_of(change: PlannedChange) -> Operation:
    """Return the operation of a change; what is declared as listed is exempt from the rules for new ones."""
    operation = encoding.decode_operation(dict(change.operation))
    if not change.as_listed:
        return operation
    if isinstance(operation, Create | Replace):
        return attrs.evolve(operation, config=marked_as_listed(operation.config))
    return operation


def _notify(on_read: Callable[[int, int], object] | None, read: int, teams: int) -> None:
    if on_read is None:
        return
    try:
        on_read(read, teams)
    except Exception as error:  # noqa: BLE001  # an error of a callback does not stop the reading
        _log.warning("on_read raised %s; the teams are read all the same", type(error).__name__)


def _check_consent(plan: Plan, *, allow_net_deletes: int, allow_widening: bool) -> None:
    if unmade := plan.unmade:
        raise UnsafePlan(
            f"{len(unmade)} of the declared webhook configurations cannot be made, so nothing of the plan is done; nothing was "
            f"sent. Correct the file and plan again. The first of them: team {unmade[0].team_id}: {unmade[0].says}"
        )
    deletes = plan.of_kind("delete")
    if len(deletes) != allow_net_deletes:
        raise UnsafePlan(
            f"the plan deletes {len(deletes)} webhook configurations without a replacement, and {allow_net_deletes} are "
            f"allowed; nothing was sent. Look at them, then allow exactly {len(deletes)}"
        )
    wide = plan.may_widen
    if wide and not allow_widening:
        ids = [change.webhook_id or "" for change in wide]
        raise UnsafePlan(
            f"{_replacements(len(wide))}, because doo's list may not show "
            f"event_id and event_guide_id: {_some(ids)}; nothing was sent. Declare what they are bound to, or allow it"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _replacements(number: int) -> str:
    return (
        "one replacement may have a wider scope than what it replaces"
        if number == 1
        else f"{number} replacements may have a wider scope than what they replace"
    )
