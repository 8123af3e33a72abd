"""Carries out a run: executes the actions of many teams' steps concurrently. What to send is decided by the steps."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

import anyio

from aiodoo.bulk.baselines import begin_with
from aiodoo.bulk.claiming import TeamClaims
from aiodoo.bulk.concurrency import TeamConcurrency
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.day_budget import DayBudget
from aiodoo.bulk.ending import Ending, FailingTeams, first_error
from aiodoo.bulk.journal import Journal, JournaledRun
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.outage import Outage
from aiodoo.bulk.pending_requests import CalledBack, PendingRequest, PendingRequests
from aiodoo.bulk.report import Report
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.bulk.run_records import NotKept, RunRecords
from aiodoo.bulk.stopping import (
    STOPPED,
    StopRequested,
    StopSignal,
    in_one_line,
    left_live,
    report_left_live,
    still_to_do,
    wait_for_signal,
    warn_of_others,
)
from aiodoo.driver.driver import take_back
from aiodoo.error_meaning import ForRun, for_run
from aiodoo.errors import DooError, QuotaExhausted
from aiodoo.offload import wait_uncancelled
from aiodoo.operations.actions import Action, Park, Wait
from aiodoo.operations.forecast import too_long
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status, TrackedOperation
from aiodoo.quota.hold import Hold

_log = logging.getLogger("aiodoo.bulk")


class Run:
    """One run over many teams, from its first request to its report.

    Args:
        context: what it needs of its session.
        changes: the state of its operations, in input order.
        teams: the steps of its teams, from `steps_of`.
        settings: its options.
        journal: its journal, if it has one.
        past: the content of the journal, if the run is resumed.
        listings: the fingerprints that teams' lists must have when the run reads them.
        hold: the run's entry in the ledger; None if it has nothing to do.
        all_read: whether all of its operations were read.
        not_begun: set if `stop=` was set before the run was ready; then it sends nothing.
    """

    def __init__(
        self,
        context: RunContext,
        changes: Sequence[TrackedOperation],
        teams: Sequence[TeamSteps],
        settings: RunSettings,
        *,
        journal: Journal | None = None,
        past: JournaledRun | None = None,
        listings: Mapping[str, str] | None = None,
        hold: Hold | None = None,
        all_read: bool = True,
        not_begun: StopRequested | None = None,
    ) -> None:
        self._context = context
        self._clock = context.clock
        self._not_begun = not_begun
        self._settings = settings
        self._hold = hold
        self._listings = listings or {}
        # A resumed run reads every team itself.
        self._baseline = settings.baseline if past is None else {}
        self._teams = teams
        self._progress = RunProgress(settings, context, changes, teams, past)
        self._progress.all_read = all_read
        self._outage = Outage(context.clock, context.stats, settings.outage)
        self._pending = PendingRequests(
            self._progress,
            hold,
            is_held=self._is_held,
            waits_for=self._outage.waits_for,
            may_be_taken=lambda: journal is not None and journal.may_be_taken,
        )
        self._ending = Ending(context.clock, self._call_back)
        self._concurrency = TeamConcurrency(context.limits, self._progress, self._ending, self._clock)
        self._claims = TeamClaims(
            hold, context.clock, self._waits_for_claims, self._concurrency.wait_until, self._end_with
        )
        self._budget = DayBudget(
            context.claims, context.limits, self._clock, teams, self._pending, settings=settings, hold=hold
        )
        self._records = RunRecords(context.clock, context.worker, settings, self._progress, journal, hold)
        # As many requests wait for the quota as may be in flight; half as many intents more are written down meanwhile, so
        # that none of them waits for the disk.
        self._requests = asyncio.Semaphore(context.limits.concurrency)
        self._intents = asyncio.Semaphore(math.ceil(1.5 * context.limits.concurrency))
        self._failing = FailingTeams()
        self._fatal: Exception | None = None

    async def execute(self) -> None:
        """Carry out all operations.

        When cancelled it starts nothing more, uses its grace to finish what is live twice and to wait for the answers of
        requests in flight, and then raises `CancelledError`.

        Raises:
            DooError: an error that concerns every team, such as refused credentials.
            Exception: an error raised by something that the caller passed, such as a clock; never an exception group.
        """
        if self._not_begun is not None:
            await self._start_nothing(self._not_begun)
            return
        self._progress.alive = True
        engine = asyncio.create_task(self._engine())
        helpers = self._start_helpers(engine)
        try:
            await asyncio.wait({engine})
        except asyncio.CancelledError as error:
            self._finish(self._settings.grace)
            with anyio.CancelScope(shield=True):
                await self._ending.end(engine)
                if self._progress.complete and self._fatal is None:
                    # Nothing is left for a resume that would release the claims.
                    with suppress(DooError):
                        await self._records.leave()
            if left := left_live(self._teams):
                error.add_note(f"aiodoo: {in_one_line(left)}")
            raise
        finally:
            for task in (*helpers, engine):
                task.cancel()
            for task in (*helpers, engine):
                await wait_uncancelled(task)
            self._progress.alive = False
            report_left_live(left_live(self._teams), self._context.listeners)
            warn_of_others(self._teams)
        if not engine.cancelled() and (failure := engine.exception()) is not None:
            self._fatal = self._fatal or first_error(failure)
        if self._fatal is not None:
            raise self._fatal
        await self._records.leave()

    def _start_helpers(self, engine: asyncio.Task[None]) -> list[asyncio.Task[None]]:
        """Start the tasks that end the run early; if `stop=` is set already, it ends at once."""
        stop = self._settings.stop
        helpers = [asyncio.create_task(self._ending.watch(engine))]
        if stop is not None:
            helpers.append(asyncio.create_task(self._watch_signal(stop)))
            if stop.is_set():
                self._asked_to_stop()
        return helpers

    async def _start_nothing(self, asked: StopRequested) -> None:
        """Send nothing, as `stop=` was set before the run started."""
        self._progress.stopped_because = STOPPED
        for steps in self._teams:
            for change in steps.changes:
                if change.ending is Status.NOT_STARTED:
                    change.error = asked.error
            await asyncio.sleep(0)
        report_left_live(left_live(self._teams), self._context.listeners)

    def report(self) -> Report:
        """Return the report as of now."""
        return self._progress.report()

    async def last_report(self) -> Report:
        """Return the report of the run, which has ended."""
        return await self._progress.last_report()

    def _call_back(self) -> None:
        """Call back requests that must not be sent any more, and wake teams that wait for an outage to end."""
        self._pending.call_back()
        self._outage.wake()

    def _is_held(self, pending: PendingRequest) -> bool:
        """Return whether a request must not be sent now."""
        return self._ending.blocks(pending) or not self._outage.may_leave(pending)

    def _finish(self, within: float) -> None:
        """Start nothing more, and finish what is live twice within a number of seconds."""
        if self._ending.finish(within):
            text = still_to_do(
                self._teams,
                self._context.claims,
                self._clock.monotonic(),
                within,
                unsent=self._pending.replacing,
                lane=self._settings.lane,
            )
            _log.info("%s", text)
            self._progress.set_stopping(text)

    async def _watch_signal(self, stop: StopSignal) -> None:
        """Stop the run once the caller's signal is set."""
        try:
            await wait_for_signal(stop, self._clock)
        except Exception as error:  # noqa: BLE001  # the signal is the caller's code, and the run ends in order
            self._fatal = self._fatal or error
        self._asked_to_stop()

    def _asked_to_stop(self) -> None:
        self._stop_because(
            self._progress.stopped_because or STOPPED,
            # The command line allows less time after a SIGTERM.
            getattr(self._settings.stop, "within", math.inf),
        )

    def _stop_because(self, reason: str, within: float = math.inf) -> None:
        self._progress.stopped_because = reason
        self._finish(min(within, self._settings.stop_within))

    async def _engine(self) -> None:
        others = self._teams
        if self._settings.canary and self._teams:
            first, *others = self._teams
            if not first.done:
                await self._concurrency.take()
                await self._team(first)
            as_wanted = all(change.ending.fine for change in first.changes)
            if not (as_wanted or self._ending.no_new_work.is_set()):
                self._stop_because(f"team {first.team_id}, which went first, is not as wanted")
        async with asyncio.TaskGroup() as teams:
            # First the teams in which an earlier process has left something live twice.
            for steps in sorted(others, key=lambda steps: not steps.pairs):
                if steps.done:
                    continue
                await self._concurrency.take_for_another()
                if self._ending.finishing and not steps.pairs:
                    self._concurrency.release()
                    continue
                if self._progress.resume_at is not None and self._settings.park:
                    # The list of a new team would have to be read again when the run is resumed.
                    self._concurrency.release()
                    return
                teams.create_task(self._team(steps))

    async def _team(self, steps: TeamSteps) -> None:
        try:
            if await self._claims.claim(steps):
                async with asyncio.TaskGroup() as requests:
                    await self._carry_out_team(steps, requests)
        finally:
            self._progress.record(steps)
            self._concurrency.release()
        if steps.done:
            steps.forget()
            if (why := self._failing.count(steps)) is not None:
                self._stop_because(why)
            await self._claims.release(steps)

    async def _carry_out_team(self, steps: TeamSteps, requests: asyncio.TaskGroup) -> None:
        """Execute a team's actions until it is done or the run ends."""
        while not (steps.done or self._ending.stopped.is_set()):
            evidence = self._progress.watch(steps)
            if self._ending.finishing and not (steps.pairs or steps.in_flight):
                return
            if self._outage.blocks:
                await self._wait_out(steps)
                continue
            action = await self._next(steps)
            planned = steps.team_id in self._listings
            age = await begin_with(
                self._baseline, action, steps, self._context.lists, self._hold, planned=planned
            )
            if age is not None:
                self._progress.list_ages[steps.team_id] = age
                await self._record_result(steps)
            elif action is None:
                await evidence.wait()
            elif isinstance(action, Wait):
                await self._concurrency.wait_for_doo(steps, action.until, action.reason)
            elif isinstance(action, Park) or not self._budget.may_send(steps, action):
                if not await self._out_of_quota(steps, action):
                    return
            else:
                pending = self._pending.new(steps, action)
                self._outage.set_probe(pending)
                await self._intents.acquire()
                requests.create_task(self._carry_out(pending))

    async def _next(self, steps: TeamSteps) -> Action | None:
        if not self._ending.finishing:
            return await self._budget.next(steps)
        action = steps.finish(self._clock.monotonic())
        self._budget.update(steps)
        return action

    def _waits_for_claims(self) -> bool:
        return self._settings.wait_for_claims and not self._ending.no_new_work.is_set()

    def _end_with(self, error: Exception) -> None:
        self._fatal = self._fatal or error
        self._ending.stop()

    async def _carry_out(self, pending: PendingRequest) -> None:
        """Execute one action, which can be called back until its request is sent."""
        steps, action = pending.steps, pending.action
        called_back = True
        try:
            if self._is_held(pending):
                pending.call_back()
            with pending:
                await self._records.keep(steps, action)
                async with self._requests:
                    await self._context.driver.carry_out(
                        action, steps, lane=self._settings.lane, deadline=None, watch=pending
                    )
                called_back = False
        except CalledBack:
            pass
        except NotKept as error:
            called_back = False
            steps.given_up(error.change, str(error), error.why)
        except Exception as error:  # noqa: BLE001  # the answers of other teams' requests in flight are awaited first
            called_back = False
            self._handle_error(error, pending)
        finally:
            self._pending.discard(pending)
            self._intents.release()
        if called_back:
            take_back(action, steps, self._clock.monotonic())
        if self._outage.is_over_with(pending):
            self._interrupted()
        await self._record_result(steps)

    async def _record_result(self, steps: TeamSteps) -> None:
        """Update quota, journal and progress after a team's steps have changed."""
        self._budget.update(steps)
        await self._progress.make_forecast(steps)
        self._progress.wake(steps)
        await self._write_result(steps)
        self._progress.record(steps)

    def _handle_error(self, error: Exception, pending: PendingRequest) -> None:
        """Park, wait or end the run after an error that concerns more than one operation."""
        if isinstance(error, QuotaExhausted):
            self._exhausted(error)
        elif isinstance(error, DooError) and for_run(error) is ForRun.WAIT and self._outage.waits_for(error):
            self._outage.record_failure(error, pending)
            self._pending.call_back()
            if self._outage.lasts_too_long:
                self._progress.stopped_because = self._outage.description
                self._progress.resume_at = self._outage.retry_at
                self._ending.stop()
        else:
            self._end_with(error)

    def _interrupted(self) -> None:
        """Record an interruption in all teams that are not done."""
        now = self._clock.monotonic()
        for steps in self._teams:
            if not steps.done:
                steps.interrupted(now)

    async def _write_result(self, steps: TeamSteps) -> None:
        """Write a result to the journal; if that fails, the run ends."""
        try:
            await self._records.keep(steps)
        except DooError as error:
            self._end_with(error)
            self._progress.wake(steps)

    def _exhausted(self, error: QuotaExhausted) -> None:
        self._progress.resume_at = error.resume_at
        if self._settings.park:
            self._progress.resume_at = self._budget.room_at(1)
            self._ending.stop()
        else:
            self._budget.used_up_by_others()

    async def _out_of_quota(self, steps: TeamSteps, action: Action) -> bool:
        """Wait until the daily quota has room for a team's next action, or park; return whether to continue."""
        if isinstance(action, Park):
            if action.requests > (self._budget.day or action.requests):
                steps.cannot_end(too_long(action.requests, self._budget.day or 0))
                return True
        elif not isinstance(action, Wait):
            take_back(action, steps, self._clock.monotonic())
            self._budget.update(steps)
        room_at = self._budget.room_for(action)
        if self._settings.park:
            self._progress.resume_at = room_at
            return False
        await self._concurrency.wait_for_quota(
            steps,
            self._clock.monotonic() + self._budget.seconds_to(room_at),
            f"for the day's quota until {room_at:%Y-%m-%d %H:%M} UTC",
        )
        return True

    async def _wait_out(self, steps: TeamSteps) -> None:
        """Wait until doo can be reached or a probe is due."""
        self._progress.waiting_for(steps, f"as {self._outage.description}")
        await self._outage.wait()
        self._progress.waiting_for(steps, None)
