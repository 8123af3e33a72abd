"""Driving the steps of many teams side by side. Decides nothing itself: what to send next, the steps say."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence

import anyio
from anyio.abc import TaskGroup

from aiodoo.bulk.baselines import begin_with
from aiodoo.bulk.concurrency import TeamConcurrency
from aiodoo.bulk.day_budget import DayBudget, width
from aiodoo.bulk.ending import Ending, FailingTeams
from aiodoo.bulk.journal import Journal, JournaledRun, OperationEnd
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.outage import Outage
from aiodoo.bulk.pending_requests import CalledBack, PendingRequest, PendingRequests
from aiodoo.bulk.report import Report
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.bulk.run_records import NotKept, RunRecords
from aiodoo.bulk.run_teams import changes_of, steps_of
from aiodoo.bulk.stopping import (
    STOPPED,
    AskedToStop,
    StopSignal,
    asked,
    in_short,
    left_live,
    still_to_do,
    tell,
    tell_of_others,
)
from aiodoo.bulk.team_claims import TeamClaims
from aiodoo.client.client import Client
from aiodoo.driver.driver import carry_out, take_back
from aiodoo.error_meaning import ForRun, for_run
from aiodoo.errors import DooError, QuotaExhausted
from aiodoo.offload import wait_uncancelled
from aiodoo.operations import Operation
from aiodoo.operations.actions import Action, Park, Wait
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold

_log = logging.getLogger("aiodoo.bulk")


class Run:
    """One run over many teams, from its first request to its report.

    Args:
        client: what sends it.
        operations: in input order.
        settings: how it behaves.
        journal: where each step is written down, if anywhere.
        past: what the journal holds, if it goes on.
        name: what the markers of a new run begin with; None for no markers.
        listings: what teams' lists have to be when a new run comes to them, as fingerprints.
        hold: what the run has of the quota's ledger; None if there is nothing to do.
        all_read: whether all of its operations were read.
        not_begun: why it does nothing, if it was asked to stop before it was ready.
    """

    def __init__(
        self,
        client: Client,
        operations: Sequence[Operation],
        settings: RunSettings,
        *,
        journal: Journal | None = None,
        past: JournaledRun | None = None,
        name: str | None = None,
        listings: Mapping[str, str] | None = None,
        hold: Hold | None = None,
        all_read: bool = True,
        not_begun: AskedToStop | None = None,
    ) -> None:
        self._client = client
        self._not_begun = not_begun
        self._settings = settings
        self._journal = journal
        self._hold = hold
        changes = changes_of(operations, past=past, name=name, now=client.clock.monotonic())
        self._listings = (listings or {}) if past is None else past.listings
        # A run that goes on has its own.
        self._baseline = settings.baseline if past is None else {}
        self._teams = steps_of(
            changes, client, settings, past=past, listings=self._listings, journaled=journal is not None
        )
        self._tally = RunProgress(settings, client, changes, self._teams, past)
        self._tally.all_read = all_read
        self._weather = Outage(client, settings.outage)
        self._departures = PendingRequests(
            self._tally, hold, is_held=self._is_held, waits_for=self._weather.waits_for
        )
        self._ending = Ending(client.clock, self._call_back)
        self._places = TeamConcurrency(width(client.limits), self._tally, self._ending, client.clock)
        self._claiming = TeamClaims(hold, client.clock, self._waits_for_claims, self._places.rest, self._lost)
        self._day = DayBudget(client, self._teams, self._departures, park=settings.park, hold=hold)
        self._records = RunRecords(client, settings, self._tally, journal, hold)
        self._requests = anyio.Semaphore(client.limits.concurrency)
        self._failing = FailingTeams()
        self._fatal: Exception | None = None

    async def go(self) -> None:
        """Carry everything out.

        When cancelled it begins nothing more, takes its grace to leave nothing live twice and to learn what became of
        the requests that are on their way, and is cancelled then; `report()` tells what is known.

        Raises:
            DooError: something that every team would meet, such as refused credentials.
            Exception: what something that the caller passed has raised, such as a clock; as it is, in no group.
        """
        if self._not_begun is not None:
            self._stay(self._not_begun)
            return
        self._tally.going = True
        engine = asyncio.create_task(self._engine())
        helpers = self._beside(engine)
        try:
            await asyncio.wait({engine})
        except asyncio.CancelledError as error:
            self._finish(self._settings.grace)
            with anyio.CancelScope(shield=True):
                await self._ending.end(engine)
            if left := left_live(self._teams):
                error.add_note(f"aiodoo: {in_short(left)}")
            raise
        finally:
            for task in (*helpers, engine):
                task.cancel()
            for task in (*helpers, engine):
                await wait_uncancelled(task)
            self._tally.going = False
            tell(left_live(self._teams), self._client)
            tell_of_others(self._teams)
        if not engine.cancelled() and (failure := engine.exception()) is not None:
            self._fatal = self._fatal or _first(failure)
        if self._fatal is not None:
            raise self._fatal
        if self._journal is not None:
            await self._leave(self._journal)

    def _beside(self, engine: asyncio.Task[None]) -> list[asyncio.Task[None]]:
        """Begin what hears that the run is to end; a run that was asked before begins nothing."""
        stop = self._settings.stop
        helpers = [asyncio.create_task(self._ending.watch(engine))]
        if stop is not None:
            helpers.append(asyncio.create_task(self._heed(stop)))
            if stop.is_set():
                self._asked_to_stop()
        return helpers

    def _stay(self, asked: AskedToStop) -> None:
        """Send nothing, as it was asked to stop before it began."""
        self._tally.stopped_because = STOPPED
        for steps in self._teams:
            for change in steps.changes:
                if change.ending is Status.NOT_STARTED:
                    change.error = asked.error
        tell(left_live(self._teams), self._client)

    async def _leave(self, journal: Journal) -> None:
        report = self.report()
        if all(outcome.ended for outcome in report):
            await journal.finish()
            if self._hold is not None:
                await self._hold.close(finished=True, at=self._client.clock.now())
        else:
            await journal.leave(
                OperationEnd(resume_at=report.resume_at, stopped_because=report.stopped_because)
            )

    def report(self) -> Report:
        """Return what is known at this moment."""
        return self._tally.report()

    def _call_back(self) -> None:
        """Call back what must not leave any more, and wake who waits for doo."""
        self._departures.call_back()
        self._weather.wake()

    def _is_held(self, departure: PendingRequest) -> bool:
        """Tell whether a request must not leave now."""
        return self._ending.holds(departure) or not self._weather.may_leave(departure)

    def _finish(self, within: float) -> None:
        """Begin nothing more, and leave nothing live twice if that can be done within so many seconds."""
        if self._ending.finish(within):
            words = still_to_do(self._teams, self._client, within, unsent=self._departures.replacing)
            _log.info("%s", words)
            self._tally.stops(words)

    async def _heed(self, stop: StopSignal) -> None:
        """Stop as soon as the caller's signal says so."""
        try:
            await asked(stop, self._client.clock)
        except Exception as error:  # noqa: BLE001  # it is the caller's, and the run ends in order
            self._fatal = self._fatal or error
        self._asked_to_stop()

    def _asked_to_stop(self) -> None:
        self._stop_because(
            self._tally.stopped_because or STOPPED,
            # The command line's signal gives less time if it is a SIGTERM.
            getattr(self._settings.stop, "within", math.inf),
        )

    def _stop_because(self, reason: str, within: float = math.inf) -> None:
        self._tally.stopped_because = reason
        self._finish(min(within, self._settings.stop_within))

    async def _engine(self) -> None:
        others = self._teams
        if self._settings.canary and self._teams:
            first, *others = self._teams
            if not first.done:
                await self._places.take()
                await self._team(first)
            if not all(change.ending.fine for change in first.changes) and not self._ending.begun.is_set():
                self._stop_because(f"team {first.team_id}, which went first, is not as wanted")
        async with anyio.create_task_group() as teams:
            # What was left live twice by an earlier process comes first.
            for steps in sorted(others, key=lambda steps: not steps.pairs):
                if steps.done:
                    continue
                await self._places.take_for_another()
                if self._ending.finishing and not steps.pairs:
                    self._places.release()
                    continue
                if self._tally.resume_at is not None and self._settings.park:
                    # Another team's list would be read again by whoever goes on.
                    self._places.release()
                    return
                teams.start_soon(self._team, steps)

    async def _team(self, steps: TeamSteps) -> None:
        try:
            if await self._claiming.come_to(steps):
                async with anyio.create_task_group() as requests:
                    await self._go_through(steps, requests)
        finally:
            self._tally.record(steps)
            self._places.release()
        if steps.done:
            steps.forget()
            if (why := self._failing.count(steps)) is not None:
                self._stop_because(why)
            await self._claiming.let_go_of(steps)

    async def _go_through(self, steps: TeamSteps, requests: TaskGroup) -> None:
        """Ask the steps what to do next, and do it, until there is nothing more or the run is at its end."""
        while not (steps.done or self._ending.stopped.is_set()):
            evidence = self._tally.watch(steps)
            if self._ending.finishing and not (steps.pairs or steps.in_flight):
                return
            if self._weather.holds:
                await self._wait_out(steps)
                continue
            action = await self._next(steps)
            planned = steps.team_id in self._listings
            if begin_with(self._baseline, action, steps, self._client, self._hold, planned=planned):
                self._tally.given.add(steps.team_id)
                await self._after(steps)
            elif action is None:
                await evidence.wait()
            elif isinstance(action, Wait):
                await self._places.rest(steps, action.until, action.reason)
            elif isinstance(action, Park) or not self._day.may_send(steps, action):
                if not await self._out_of_quota(steps, action):
                    return
            else:
                departure = self._departures.asked(steps, action)
                self._weather.asks(departure)
                await self._requests.acquire()
                requests.start_soon(self._carry_out, departure)

    async def _next(self, steps: TeamSteps) -> Action | None:
        if not self._ending.finishing:
            return await self._day.next(steps)
        action = steps.finish(self._client.clock.monotonic())
        self._day.reckon(steps)
        return action

    def _waits_for_claims(self) -> bool:
        return self._settings.wait_for_claims and not self._ending.begun.is_set()

    def _lost(self, error: DooError) -> None:
        self._fatal = self._fatal or error
        self._ending.stop()

    async def _carry_out(self, departure: PendingRequest) -> None:
        """Send one request, which a stop calls back for as long as it has not left."""
        steps, action = departure.steps, departure.action
        called_back = True
        try:
            with departure.scope:
                if self._is_held(departure):
                    departure.call_back()
                await self._records.keep(steps, action)
                await carry_out(action, steps, self._client, lane=Lane.BULK, deadline=None, watch=departure)
                called_back = False
        except CalledBack:
            pass
        except NotKept as error:
            called_back = False
            steps.given_up(error.change, str(error), error.why)
        except Exception as error:  # noqa: BLE001  # whatever it is, what is on its way in other teams is learned first
            called_back = False
            self._met(error, departure)
        finally:
            self._departures.discard(departure)
            self._requests.release()
        if called_back:
            take_back(action, steps, self._client.clock.monotonic())
        if self._weather.came_back(departure):
            self._interrupted()
        await self._after(steps)

    async def _after(self, steps: TeamSteps) -> None:
        """Take notice of what a team's steps have learned."""
        self._day.reckon(steps)
        await self._note(steps)
        self._tally.record(steps)

    def _met(self, error: Exception, departure: PendingRequest) -> None:
        """Do what an error means for the run; it says nothing of the change, which the steps have back."""
        meaning = for_run(error) if isinstance(error, DooError) else ForRun.STOP
        if isinstance(error, QuotaExhausted):
            self._exhausted(error)
        elif isinstance(error, DooError) and meaning is ForRun.WAIT and self._weather.waits_for(error):
            self._weather.strikes(error, departure)
            self._departures.call_back()
            if self._weather.lasts_too_long:
                self._tally.stopped_because = self._weather.words
                self._tally.resume_at = self._weather.look_again_at
                self._ending.stop()
        else:
            self._fatal = self._fatal or error
            self._ending.stop()

    def _interrupted(self) -> None:
        """Tell all teams that time has passed in which nothing could be seen."""
        now = self._client.clock.monotonic()
        for steps in self._teams:
            if not steps.done:
                steps.interrupted(now)

    async def _note(self, steps: TeamSteps) -> None:
        """Write down what came of a request; if that fails nothing more is sent."""
        try:
            await self._records.keep(steps)
        except DooError as error:
            self._lost(error)

    def _exhausted(self, error: QuotaExhausted) -> None:
        self._tally.resume_at = error.resume_at
        if self._settings.park:
            self._tally.resume_at = self._day.room_at(1)
            self._ending.stop()
        else:
            self._day.used_up_by_others()

    async def _out_of_quota(self, steps: TeamSteps, action: Action) -> bool:
        """Park this team, or wait until the day has room for what it does next; return whether to go on."""
        clock = self._client.clock
        needed = 1
        if isinstance(action, Park):
            needed = action.requests
        elif not isinstance(action, Wait):
            take_back(action, steps, clock.monotonic())
            self._day.reckon(steps)
        room_at = self._day.room_at(needed)
        if self._settings.park:
            self._tally.resume_at = room_at
            return False
        await self._places.rest_for_quota(
            steps,
            clock.monotonic() + self._day.seconds_to(room_at),
            f"for the day's quota until {room_at:%Y-%m-%d %H:%M} UTC",
        )
        return True

    async def _wait_out(self, steps: TeamSteps) -> None:
        """Wait until doo can be reached, or a probe is due."""
        self._tally.waiting_for(steps, f"as {self._weather.words}")
        await self._weather.wait()
        self._tally.waiting_for(steps, None)


def _first(failure: BaseException) -> Exception:
    """Return the first of a group of failures that is no group of its own."""
    first = failure
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, Exception):
        raise first
    return first
