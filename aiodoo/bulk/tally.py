"""Keeping count of a run while it goes on: outcomes as they are known, requests, forecast, progress."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import anyio
import attrs

from aiodoo.bulk.journal import Past
from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.client import Client
from aiodoo.forecast import Forecast, Requests, forecast_team, total
from aiodoo.protocol.wire import Kind, Request
from aiodoo.quota import Lane, Limits
from aiodoo.steps import Change, Stage, TeamSteps

_log = logging.getLogger("aiodoo.bulk")

SWEEP = timedelta(hours=1)
"""After this long a create in doubt is taken to land no more."""


@attrs.frozen(kw_only=True)
class Settings:
    """How a run behaves.

    Attributes:
        settle: seconds after which a create without an answer can no longer land.
        park: whether the run returns when the day's quota is spent, instead of waiting.
        grace: seconds that a cancelled run takes to learn what became of the requests on their way.
        marker: whether what it creates carries an ownership marker.
        canary: whether the first team is done alone, and the others only if it is as wanted then.
        progress: called with a `Progress` after every step.
        on_outcome: called with the outcome of each operation that has ended, in an earlier process too.
    """

    settle: float
    park: bool
    grace: float
    marker: bool = False
    canary: bool = False
    progress: Callable[[Progress], object] | None = None
    on_outcome: Callable[[Outcome], object] | None = None


class Tally:
    """What a run has come to so far."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        changes: Sequence[Change],
        teams: Sequence[TeamSteps],
        past: Past | None = None,
    ) -> None:
        self.resume_at: datetime | None = None
        self.stopped_because: str | None = None
        self._settings = settings
        self._client = client
        self._changes = changes
        self._teams = teams
        self._resumed = past is not None
        self._sent: Counter[Kind] = Counter(
            {Kind(kind): sent for kind, sent in (past.sent if past else {}).items()}
        )
        self._counts: Counter[str] = Counter()
        self._ended: set[int] = set()
        self._forecasts: dict[str, Forecast] = {}
        self._watched: dict[str, anyio.Event] = {}
        self._waiting_for: str | None = None
        self._doubted_at: datetime | None = None
        self._progress_broken = False
        self._scope_warned = False
        for change in changes:
            if change.status is not None:
                self._ended.add(change.number)
                self._counts[change.status.value] += 1
                if settings.on_outcome is not None:
                    settings.on_outcome(Outcome.of(change))

    def report(self) -> Report:
        """Return what is known at this moment."""
        return Report(
            outcomes=tuple(Outcome.of(change) for change in self._changes),
            requests=self.requests,
            forecast=self.forecast,
            resume_at=self.resume_at,
            recheck_at=None if self._doubted_at is None else self._doubted_at + SWEEP,
            resumed=self._resumed,
            stopped_because=self.stopped_because,
        )

    @property
    def requests(self) -> Requests:
        """The wire requests so far, token requests apart."""
        return Requests(
            lists=self._sent[Kind.LIST], creates=self._sent[Kind.CREATE], deletes=self._sent[Kind.DELETE]
        )

    @property
    def forecast(self) -> Forecast | None:
        """What it all costs without faults, as far as the teams have been read."""
        return price(self._forecasts.values(), self._client.limits) if self._forecasts else None

    @property
    def counted(self) -> dict[str, int]:
        """The wire requests so far, by kind, as they are written down."""
        return {kind.value: sent for kind, sent in self._sent.items()}

    def sent(self, request: Request) -> None:
        """Count a wire request."""
        self._sent[request.kind] += 1

    def watch(self, steps: TeamSteps) -> anyio.Event:
        """Return an event that comes with the next evidence for this team."""
        event = self._watched[steps.team_id] = anyio.Event()
        return event

    def told(self, steps: TeamSteps) -> None:
        """Take notice of what a team's steps have come to."""
        if steps.team_id not in self._forecasts and steps.looked:
            self._forecast(steps)
        ended = [
            change
            for change in steps.changes
            if change.status is not None and change.number not in self._ended
        ]
        for change in ended:
            self._end(change)
        if any(change.stage is Stage.MAYBE for change in steps.changes):
            self._doubted_at = self._client.clock.now()
        self._show()
        if (event := self._watched.get(steps.team_id)) is not None:
            event.set()

    def waiting_for(self, reason: str | None) -> None:
        """Note what a team waits for."""
        self._waiting_for = reason
        self._show()

    def _forecast(self, steps: TeamSteps) -> None:
        operations = [change.operation for change in steps.changes]
        self._forecasts[steps.team_id] = forecast_team(
            steps.team_id,
            operations,
            steps.listing.values(),
            page_size=steps.page_size,
            facts=self._client.facts,
        )

    def _end(self, change: Change) -> None:
        self._ended.add(change.number)
        self._counts[change.ending.value] += 1
        if self._settings.on_outcome is not None:
            self._settings.on_outcome(Outcome.of(change))
        if Outcome.of(change).scope_unknown and not self._scope_warned:
            self._scope_warned = True
            _log.warning(
                "doo's list shows no event_id or event_guide_id, so copies may reach further than their originals; "
                "report.scope_unknown names them all, the first is %s in team %s",
                change.new_id,
                change.operation.team_id,
            )

    def _show(self) -> None:
        if self._settings.progress is None:
            return
        progress = Progress(
            total=len(self._changes),
            done=len(self._ended),
            counts=dict(self._counts),
            requests=self.requests,
            forecast=self.forecast,
            teams=len(self._teams),
            teams_done=sum(steps.done for steps in self._teams),
            waiting_for=self._waiting_for,
            left=self._client.account.left(Lane.BULK),
        )
        try:
            self._settings.progress(progress)
        except Exception as error:  # noqa: BLE001  # whatever a callback does, the run goes on
            if not self._progress_broken:
                self._progress_broken = True
                _log.warning(
                    "progress raised %s; the run goes on, and it is not logged again", type(error).__name__
                )


def price(forecasts: Iterable[Forecast], limits: Limits) -> Forecast:
    """Add up what several teams will cost at what a bulk job may use of these limits."""
    return total(forecasts, per_second=limits.per_second, per_day=limits.per_day_for_bulk)
