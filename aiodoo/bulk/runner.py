"""Driving the steps of many teams side by side. Decides nothing itself: what to send next, the steps say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio
import attrs

from aiodoo.acting import carry_out, take_back
from aiodoo.bulk.day import Day, width
from aiodoo.bulk.holding import Again
from aiodoo.bulk.journal import End, Journal, Past
from aiodoo.bulk.records import NotKept, Records
from aiodoo.bulk.report import Outcome, Report
from aiodoo.bulk.settings import Settings
from aiodoo.bulk.tally import Tally
from aiodoo.client import Client
from aiodoo.errors import DooError, QuotaExhausted, TeamClaimed
from aiodoo.models import WebhookConfiguration
from aiodoo.models.marker import marker
from aiodoo.operations import Operation
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold
from aiodoo.reconcile import fingerprint
from aiodoo.steps import Action, Change, Park, Scan, SendCreate, SendDelete, Status, TeamSteps, Wait
from aiodoo.worker import to_the_end

FAILING = 3
"""Teams that may fail one after the other before a run stops."""


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
    """

    def __init__(
        self,
        client: Client,
        operations: Sequence[Operation],
        settings: Settings,
        *,
        journal: Journal | None = None,
        past: Past | None = None,
        name: str | None = None,
        listings: Mapping[str, str] | None = None,
        hold: Hold | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._hold = hold
        if past is None:
            changes = [
                Change(number=number, operation=operation, marker=marker(name, number))
                for number, operation in enumerate(operations)
            ]
        else:
            changes = past.changes
            for change in changes:
                change.taken_up(client.clock.monotonic())
        self._listings = (listings or {}) if past is None else past.listings
        self._teams = [
            TeamSteps(
                team_id=team_id,
                changes=tuple(of_team),
                facts=client.facts,
                settle=settings.settle,
                known=past.baselines.get(team_id) if past is not None else None,
                is_as_planned=self._as_planned(team_id),
                rate=client.limits.interval,
            )
            for team_id, of_team in _by_team(changes).items()
        ]
        self._unsent: set[anyio.CancelScope] = set()
        self._day = Day(client, self._teams, self._unsent, park=settings.park)
        self._tally = Tally(settings, client, changes, self._teams, past)
        self._records = Records(client, settings, self._tally, journal)
        self._places = anyio.Semaphore(width(client.limits))
        self._short = 0
        self._less_short = anyio.Event()
        self._requests = anyio.Semaphore(client.limits.concurrency)
        self._stopping = anyio.Event()
        self._failing = 0
        self._fatal: Exception | None = None

    def _as_planned(self, team_id: str) -> Callable[[Iterable[WebhookConfiguration]], bool] | None:
        """Return what tells whether a team's list is as it has to be; None if it may be anything."""
        listing = self._listings.get(team_id)
        key, facts = self._client.fingerprint_key, self._client.facts
        return (
            None
            if listing is None
            else lambda webhooks: fingerprint(team_id, webhooks, key, facts) == listing
        )

    async def go(self) -> None:
        """Carry everything out.

        When cancelled it sends nothing more, takes its grace to learn what became of the requests that are on
        their way, and is cancelled then; `report()` tells what is known.

        Raises:
            DooError: something that every team would meet, such as refused credentials.
            Exception: what something that the caller passed has raised, such as a clock; as it is, in no group.
        """
        engine = asyncio.create_task(self._engine())
        try:
            await asyncio.shield(engine)
        except asyncio.CancelledError:
            self.stop()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({engine}, timeout=self._settings.grace)
            raise
        except BaseExceptionGroup as failures:
            self._fatal = self._fatal or _first(failures)
        finally:
            engine.cancel()
            await to_the_end(engine)
        if self._fatal is not None:
            raise self._fatal
        if self._journal is not None:
            await self._leave(self._journal)

    async def _leave(self, journal: Journal) -> None:
        report = self.report()
        if report.complete:
            await journal.finish()
            if self._hold is not None:
                await self._hold.close(finished=True)
        else:
            await journal.leave(End(resume_at=report.resume_at, stopped_because=report.stopped_because))

    def stop(self) -> None:
        """Send nothing more; requests that are on their way go on."""
        self._stopping.set()
        for scope in tuple(self._unsent):
            scope.cancel()

    def report(self) -> Report:
        """Return what is known at this moment."""
        return self._tally.report()

    async def _engine(self) -> None:
        others = self._teams
        if self._settings.canary and self._teams:
            first, *others = self._teams
            if not first.done:
                await self._places.acquire()
                await self._team(first)
            if not all(change.ending.fine for change in first.changes):
                self._stop_because(f"team {first.team_id}, which went first, is not as wanted")
        async with anyio.create_task_group() as teams:
            for steps in others:
                if steps.done:
                    continue
                await self._room_for_one_more()
                if self._tally.resume_at is not None and self._settings.park:
                    # Another team's list would be read again by whoever goes on.
                    self._places.release()
                    return
                teams.start_soon(self._team, steps)

    async def _room_for_one_more(self) -> None:
        """Wait for a place, and, while teams wait for the day's quota, until they have had what they need."""
        while True:
            await self._places.acquire()
            if not self._short or self._stopping.is_set():
                return
            self._places.release()
            await self._less_short.wait()

    async def _team(self, steps: TeamSteps) -> None:
        try:
            if not await self._has_claimed(steps):
                return
            async with anyio.create_task_group() as requests:
                while not (steps.done or self._stopping.is_set()):
                    evidence = self._tally.watch(steps)
                    action = self._day.next(steps)
                    if action is None:
                        await evidence.wait()
                    elif isinstance(action, Wait):
                        await self._rest(steps, action.until, action.reason)
                    elif isinstance(action, Park) or not self._day.may_send(steps, action):
                        if not await self._out_of_quota(steps, action):
                            return
                    else:
                        scope = anyio.CancelScope()
                        self._unsent.add(scope)
                        await self._requests.acquire()
                        requests.start_soon(self._carry_out, steps, action, scope)
        finally:
            self._tally.told(steps)
            self._places.release()
        if steps.done:
            steps.forget()
            self._count_failing(steps)
            if self._hold is not None and all(Outcome.of(change).ended for change in steps.changes):
                await self._hold.release(steps.team_id)

    async def _has_claimed(self, steps: TeamSteps) -> bool:
        """Come to a team; False if another run has claimed it since this one began, and it is not waited for."""
        if self._hold is None:
            return True
        again = Again()
        while (claimed := await self._claimed_by(steps)) is not None:
            if not (self._settings.wait_for_claims and claimed.alive) or self._stopping.is_set():
                for change in steps.changes:
                    if change.ending is Status.NOT_STARTED:
                        change.error = claimed.again()
                return False
            until = self._client.clock.monotonic() + again.seconds()
            await self._rest(steps, until, f"for the run {claimed.run} to let go of team {steps.team_id}")
        for change in steps.changes:
            if change.status is None and isinstance(change.error, TeamClaimed):
                change.error = None
        return True

    async def _claimed_by(self, steps: TeamSteps) -> TeamClaimed | None:
        assert self._hold is not None  # noqa: S101  # whoever asks has looked
        try:
            return await self._hold.begin(steps.team_id)
        except DooError as error:
            # The run itself is another process's now, or the ledger cannot be used.
            self._fatal = self._fatal or error
            self.stop()
            return TeamClaimed(str(error))

    def _count_failing(self, steps: TeamSteps) -> None:
        """Stop when so many teams fail in a row that the reason is unlikely to be theirs."""
        failed = all(change.status is Status.FAILED for change in steps.changes)
        self._failing = self._failing + 1 if failed else 0
        if self._failing >= FAILING:
            self._stop_because(f"{FAILING} teams in a row failed, the last of them {steps.team_id}")

    def _stop_because(self, reason: str) -> None:
        self._tally.stopped_because = reason
        self.stop()

    async def _carry_out(
        self, steps: TeamSteps, action: Scan | SendCreate | SendDelete, scope: anyio.CancelScope
    ) -> None:
        """Send one request, which a stop calls back for as long as it has not left."""
        watch = _Watch(
            scope,
            self._unsent,
            self._stopping,
            self._tally.sent,
            keep=isinstance(action, Scan),
            hold=self._hold,
        )
        called_back = True
        try:
            with scope:
                if self._stopping.is_set():
                    scope.cancel()
                await self._records.keep(steps, action)
                await carry_out(action, steps, self._client, lane=Lane.BULK, deadline=None, watch=watch)
                called_back = False
        except _CalledBack:
            pass
        except NotKept as error:
            called_back = False
            steps.given_up(error.change, str(error), error.why)
        except QuotaExhausted as error:
            called_back = False
            self._exhausted(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, what is on its way in other teams is learned first
            called_back = False
            self._fatal = self._fatal or error
            self.stop()
        finally:
            self._unsent.discard(scope)
            self._requests.release()
        if called_back:
            take_back(action, steps, self._client.clock.monotonic())
        self._day.reckon(steps)
        await self._note(steps)
        self._tally.told(steps)

    async def _note(self, steps: TeamSteps) -> None:
        """Write down what came of a request; if that fails nothing more is sent."""
        try:
            await self._records.keep(steps)
        except DooError as error:
            self._fatal = self._fatal or error
            self.stop()

    def _exhausted(self, error: QuotaExhausted) -> None:
        self._tally.resume_at = error.resume_at
        if self._settings.park:
            self._tally.resume_at = self._day.room_at(1)
            self.stop()
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
        self._short += 1
        await self._rest(
            steps,
            clock.monotonic() + self._day.seconds_to(room_at),
            f"for the day's quota until {room_at:%Y-%m-%d %H:%M} UTC",
        )
        self._short -= 1
        self._less_short.set()
        self._less_short = anyio.Event()
        return True

    async def _rest(self, steps: TeamSteps, until: float, reason: str) -> None:
        """Let other teams go on until then."""
        self._places.release()
        self._tally.waiting_for(steps, reason)
        await self._client.clock.wait(self._stopping, until - self._client.clock.monotonic())
        await self._places.acquire()
        self._tally.waiting_for(steps, None)


class _CalledBack(Exception):
    """Keeps a request from leaving once the run has stopped."""


@attrs.define(eq=False)
class _Watch:
    """Keeps a request among those that can be called back, for as long as it has not left.

    A reading (`keep`) can be called back at any time: nothing is lost with it.
    """

    _scope: anyio.CancelScope
    _unsent: set[anyio.CancelScope]
    _stopping: anyio.Event
    _sent: Callable[[Request], None]
    _keep: bool = attrs.field(alias="keep")
    hold: Hold | None

    def leaves(self, request: Request) -> None:
        if self._stopping.is_set() and self._scope in self._unsent:
            # The slot came at the same instant, and a cancellation would only reach the request on the wire.
            raise _CalledBack
        self._sent(request)
        if not self._keep:
            self._unsent.discard(self._scope)

    def comes_back(self) -> None:
        self._unsent.add(self._scope)
        if self._stopping.is_set():
            self._scope.cancel()


def _first(failures: BaseExceptionGroup[BaseException]) -> Exception:
    """Return the first of them that is no group of its own."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, Exception):
        raise first
    return first


def _by_team(changes: Iterable[Change]) -> dict[str, list[Change]]:
    teams: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        teams[change.operation.team_id].append(change)
    return teams
