"""Counts a run's outcomes and requests, and makes its progress, forecast and report from them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import attrs

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.operations.forecast import Forecast, Requests, TeamForecast, total
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Stage, TrackedOperation
from aiodoo.protocol.wire import Kind, Request
from aiodoo.quota import Limits

T = TypeVar("T")

_log = logging.getLogger("aiodoo.bulk")

ETA_HOLDS = 10.0
"""Seconds for which a computed eta is used."""

_PORTION = 500
"""Outcomes that are made before other tasks run."""

SWEEP = timedelta(hours=1)
"""The time from the last doubt to `recheck_at`, after which a create in doubt is assumed not to land."""


class RunProgress:
    """The state of a run so far.

    Attributes:
        list_ages: seconds since their first list was read, by team for which the caller has passed one.
        resume_at: when to resume the run, if it was parked (UTC).
        stopped_because: why it stopped early.
        stopping: what it still does after it was asked to stop.
        alive: whether it is being carried out.
        all_read: whether all of its operations were read.
    """

    def __init__(
        self,
        settings: RunSettings,
        context: RunContext,
        changes: Sequence[TrackedOperation],
        teams: Sequence[TeamSteps],
        past: JournaledRun | None = None,
    ) -> None:
        self.list_ages: dict[str, float] = {}
        self.resume_at: datetime | None = None
        self.stopped_because: str | None = None
        self.stopping: str | None = None
        self.alive = False
        self.all_read = True
        self._settings = settings
        self._context = context
        self._changes = changes
        self._teams = teams
        self._resumed = past is not None
        self._replayed = past is not None and past.finished
        self._ended_at = past.written_at if past is not None else None
        self._sent: Counter[Kind] = Counter(
            {Kind(kind): sent for kind, sent in (past.sent if past else {}).items()}
        )
        self._counts: Counter[str] = Counter()
        self._forecasts = dict(past.forecasts) if past else {}
        self._forecast = total_forecast(self._forecasts.values(), context.limits) if self._forecasts else None
        self._began = context.clock.monotonic()
        self._eta_until = self._ends_at = 0.0
        self._sent_before = self._sent.total()
        shown = () if settings.progress is None else teams
        self._shares = {steps.team_id: _Share.of(steps) for steps in shown}
        self._all = sum(self._shares.values(), _Share())
        self._watched: dict[str, asyncio.Event] = {}
        self._waits: dict[str, tuple[str, float]] = {}
        self._doubted_at = past.doubted_at if past else None
        self._broken = set[str]()
        self._scope_warned = False
        for change in changes:
            if change.ended:
                self._counts[change.ending.value] += 1
                if settings.on_outcome is not None:
                    self._tell(settings.on_outcome, "on_outcome", Outcome.of(change))

    def report(self) -> Report:
        """Return the report as of now."""
        return self._report([Outcome.of(change, alive=self.alive) for change in self._changes])

    async def last_report(self) -> Report:
        """Return the report of a run that has ended; other tasks run meanwhile."""
        outcomes = list[Outcome]()
        for number, change in enumerate(self._changes):
            outcomes.append(Outcome.of(change))
            if number % _PORTION == 0:
                await asyncio.sleep(0)
        return self._report(outcomes)

    def _report(self, outcomes: Iterable[Outcome]) -> Report:
        return Report(
            outcomes=tuple(outcomes),
            requests=self.requests,
            forecast=self.forecast,
            resume_at=self.resume_at,
            recheck_at=_recheck_at(self._context.clock.now() if self._unanswered else self._doubted_at),
            resumed=self._resumed,
            stopped_because=self.stopped_because,
            replayed=self._replayed,
            all_read=self.all_read,
            ended_at=self._ended_at if self.complete else None,
        )

    @property
    def complete(self) -> bool:
        """Whether every operation has ended."""
        return all(change.ended for change in self._changes)

    @property
    def _unanswered(self) -> bool:
        """Whether a create has no answer; at the end of a run, because the run did not wait for it."""
        return any(change.status is None and change.stage is Stage.CREATE_INTENT for change in self._changes)

    @property
    def requests(self) -> Requests:
        """The requests so far, without token requests."""
        return _requests(self._sent)

    @property
    def forecast(self) -> Forecast | None:
        """The forecast of the teams that were read so far; None before the first."""
        return self._forecast

    def counted(self) -> dict[str, int]:
        """Return the requests so far by kind, as the journal stores them."""
        return {kind.value: sent for kind, sent in self._sent.items()}

    def sent(self, request: Request) -> None:
        """Count a request."""
        self._sent[request.kind] += 1

    def unsent(self, request: Request) -> None:
        """Uncount a request that was not sent after all."""
        self._sent[request.kind] -= 1

    def watch(self, steps: TeamSteps) -> asyncio.Event:
        """Return an event that is set by the next `wake` of a team; its task alone may wait for it."""
        event = self._watched.setdefault(steps.team_id, asyncio.Event())
        event.clear()
        return event

    def wake(self, steps: TeamSteps) -> None:
        """Let a team look for its next action."""
        if (event := self._watched.get(steps.team_id)) is not None:
            event.set()

    def record(self, steps: TeamSteps) -> None:
        """Record a team's new state, and report progress."""
        ended = steps.take_ended()
        for change in ended:
            self._end(change)
        if steps.in_doubt_now or any(change.stage is Stage.MAYBE for change in ended):
            self._doubted_at = self._context.clock.now()
        if self._settings.progress is not None:
            share = _Share.of(steps)
            self._all += share - self._shares[steps.team_id]
            self._shares[steps.team_id] = share
            self._show()

    def waiting_for(self, steps: TeamSteps, reason: str | None, *, until: float = -math.inf) -> None:
        """Record what a team waits for, and until when if that is known (monotonic seconds); None if it no longer waits."""
        self._waits.pop(steps.team_id, None)
        if reason is not None:
            self._waits[steps.team_id] = reason, until
        self._show()

    def set_stopping(self, text: str) -> None:
        """Record what a run that was asked to stop still does."""
        self.stopping = text
        self._show()

    async def make_forecast(self, steps: TeamSteps) -> None:
        """Forecast a team from its first list, unless that is done; other tasks run meanwhile."""
        if steps.looked and steps.team_id not in self._forecasts:
            forecast = self._new_forecast(steps)
            for _ in forecast.portions():
                await asyncio.sleep(0)
            self._add_forecast(steps, forecast)

    def forecast_of(self, steps: TeamSteps) -> Forecast:
        """Return the forecast of a team from its first list."""
        if steps.team_id not in self._forecasts:
            self._add_forecast(steps, self._new_forecast(steps))
        return self._forecasts[steps.team_id]

    def _new_forecast(self, steps: TeamSteps) -> TeamForecast:
        return TeamForecast(
            steps.team_id,
            steps.changes,
            steps.listing.values(),
            page_size=steps.page_size,
            facts=self._context.facts,
            interval=self._context.limits.interval,
            max_pairs=self._settings.max_pairs,
            list_age=self.list_ages.get(steps.team_id),
        )

    def _add_forecast(self, steps: TeamSteps, forecast: TeamForecast) -> None:
        found = self._forecasts[steps.team_id] = forecast.result()
        # Added to the sum so far, as adding up all teams for each of thousands takes long.
        before = () if self._forecast is None else (self._forecast,)
        self._forecast = total_forecast((*before, found), self._context.limits)

    def _end(self, change: TrackedOperation) -> None:
        if not change.ended:
            return
        self._counts[change.ending.value] += 1
        self._ended_at = self._context.clock.now()
        if self._settings.on_outcome is None and (self._scope_warned or not change.scope_unknown):
            return
        outcome = Outcome.of(change)
        self._tell(self._settings.on_outcome, "on_outcome", outcome)
        if outcome.scope_unknown and not self._scope_warned:
            self._scope_warned = True
            _log.warning(
                "doo's list shows no event_id or event_guide_id, so copies may have a wider scope than their originals; "
                "report.scope_unknown names them all, the first is %s in team %s",
                change.new_id,
                change.operation.team_id,
            )

    @property
    def _rate(self) -> float:
        seconds = self._context.clock.monotonic() - self._began
        return (self._sent.total() - self._sent_before) / seconds if seconds > 0 else 0.0

    @property
    def _eta(self) -> float | None:
        """Seconds until all is sent, by the ledger and what teams wait for, and without a rate limit by the rate so far."""
        context, remaining, now = self._context, self._all.remaining, self._context.clock.monotonic()
        wait = max(0.0, max((until for _, until in self._waits.values()), default=now) - now)
        if not remaining:
            return wait
        if now >= self._eta_until:
            # Computing it is slow, as the ledger scans the requests of a day.
            self._eta_until = now + ETA_HOLDS
            self._ends_at = context.claims.eta(remaining, self._settings.lane)
        seconds = max(wait, self._ends_at - now)
        if context.limits.per_second is not None:
            return seconds
        return max(seconds, remaining / self._rate) if self._rate else None

    def _show(self) -> None:
        if self._settings.progress is None:
            return
        progress = Progress(
            total=len(self._changes),
            done=self._counts.total(),
            counts=dict(self._counts),
            requests=self.requests,
            forecast=self.forecast,
            teams=len(self._teams),
            teams_done=self._all.done,
            unconfirmed=self._all.unconfirmed,
            waiting_for=next((reason for reason, _ in reversed(self._waits.values())), None),
            left=self._context.claims.left(self._settings.lane),
            remaining=self._all.remaining,
            rate=self._rate,
            eta=self._eta,
            stopping=self.stopping,
        )
        self._tell(self._settings.progress, "progress", progress)

    def _tell(self, callback: Callable[[T], object] | None, name: str, value: T) -> None:
        """Call a callback; the run continues, whatever it raises."""
        if callback is None:
            return
        try:
            callback(value)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            if name not in self._broken:
                self._broken.add(name)
                _log.warning(
                    "%s raised %s; the run continues, and this is not logged again",
                    name,
                    type(error).__name__,
                )


@attrs.frozen
class _Share:
    """The part of one team, or the sum of all, in the progress."""

    remaining: int = 0
    unconfirmed: int = 0
    done: int = 0

    @classmethod
    def of(cls, steps: TeamSteps) -> _Share:
        done = steps.done and all(change.ended for change in steps.changes)
        return cls(steps.remaining, steps.unconfirmed, int(done))

    def __add__(self, other: _Share) -> _Share:
        return _Share(
            self.remaining + other.remaining, self.unconfirmed + other.unconfirmed, self.done + other.done
        )

    def __sub__(self, other: _Share) -> _Share:
        return _Share(
            self.remaining - other.remaining, self.unconfirmed - other.unconfirmed, self.done - other.done
        )


def total_forecast(forecasts: Iterable[Forecast], limits: Limits) -> Forecast:
    """Return the sum of several forecasts, with the time that a run takes within these limits."""
    return total(forecasts, per_second=limits.per_second, per_day=limits.per_day_for_bulk)


def report_of(past: JournaledRun, limits: Limits, *, alive: bool = False) -> Report:
    """Return the report of a journal's run, which another process may be carrying out."""
    return Report(
        outcomes=tuple(Outcome.of(change, alive=alive) for change in past.changes),
        requests=_requests(Counter(past.sent)),
        forecast=total_forecast(past.forecasts.values(), limits) if past.forecasts else None,
        resume_at=past.end.resume_at,
        recheck_at=_recheck_at(past.doubted_at),
        resumed=past.resumed,
        stopped_because=past.end.stopped_because,
        ended_at=past.written_at if past.finished else None,
    )


def _requests(sent: Counter[Any]) -> Requests:
    return Requests(lists=sent[Kind.LIST], creates=sent[Kind.CREATE], deletes=sent[Kind.DELETE])


def _recheck_at(doubted_at: datetime | None) -> datetime | None:
    return None if doubted_at is None else doubted_at + SWEEP
