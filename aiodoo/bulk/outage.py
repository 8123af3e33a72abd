"""Waits while doo cannot be reached, with one probe at a time for all teams of a run."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import anyio

from aiodoo.clock import Clock
from aiodoo.errors import DooError, QuotaUnavailable, RateLimited
from aiodoo.events import Stats

_log = logging.getLogger("aiodoo.bulk")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the first probe of an outage, and at most between two probes."""


class Outage:
    """Whether doo can be reached.

    An outage begins with the first request that could not be sent. Then only a probe is sent, after 1, 2, 4 ... 60
    seconds: the next request of any team. The outage ends when doo answers.

    Args:
        clock: the time.
        stats: counts the answers.
        patience: seconds after which the run ends.
    """

    def __init__(self, clock: Clock, stats: Stats, patience: float) -> None:
        self._clock = clock
        self._stats = stats
        self._patience = patience
        self._began: float | None = None
        self._since: datetime | None = None
        self._next_probe = 0.0
        self._wait = FIRST_WAIT
        self._probe: object | None = None
        self._answers = 0
        self._cause: DooError | None = None
        self._changed = anyio.Event()

    @property
    def blocks(self) -> bool:
        """Whether no request may be started now."""
        if self._began is None:
            return False
        return self._probe is not None or self._clock.monotonic() < self._next_probe

    @property
    def lasts_too_long(self) -> bool:
        """Whether an outage has lasted for `patience`."""
        return self._began is not None and self._clock.monotonic() >= self._began + self._patience

    @property
    def description(self) -> str:
        """The cause of the outage and its beginning, as text."""
        what = "doo cannot be reached"
        if isinstance(self._cause, RateLimited):
            what = "doo refuses every request"
        elif isinstance(self._cause, QuotaUnavailable):
            what = "the ledger has not answered"
        return f"{what} since {self._since:%Y-%m-%d %H:%M:%S} UTC: {self._cause}"

    @property
    def retry_at(self) -> datetime:
        """When to resume the run (UTC)."""
        return self._clock.now() + timedelta(seconds=LONGEST_WAIT)

    def waits_for(self, error: DooError) -> bool:
        """Return whether to wait until the cause of an error has passed: only if doo has answered before.

        If it has not, the settings may be wrong.
        """
        return bool(self._stats.answers) or isinstance(error, RateLimited)

    def may_leave(self, request: object) -> bool:
        """Return whether a request may be sent: in an outage, only the probe."""
        return self._began is None or request is self._probe

    def set_probe(self, request: object) -> None:
        """Make a new request the probe if there is an outage."""
        if self._began is not None:
            self._probe = request

    def record_failure(self, error: DooError, request: object) -> None:
        """Record that a request was provably not sent, or was refused like every other one."""
        now = self._clock.monotonic()
        self._cause = error
        if self._began is None:
            self._began, self._since = now, self._clock.now()
            self._wait = FIRST_WAIT
            _log.info("%s; the run waits for at most %g s", self.description, self._patience)
        elif request is self._probe:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        else:
            return  # It was started before the outage began.
        self._probe = None
        self._answers = self._stats.answers.total()
        self._next_probe = min(now + self._wait, self._began + self._patience)
        self.wake()

    def is_over_with(self, request: object) -> bool:
        """Record another result of a request; return whether that ends an outage."""
        if self._began is None:
            return False
        if self._stats.answers.total() > self._answers:
            seconds = self._clock.monotonic() - self._began
            what = "the ledger" if isinstance(self._cause, QuotaUnavailable) else "doo"
            _log.info("%s answers again after %.0f s", what, seconds)
            self._began = self._probe = None
            self.wake()
            return True
        if request is self._probe:
            # The probe was called back or lost, which proves nothing.
            self._probe = None
            self._next_probe = self._clock.monotonic() + self._wait
            self.wake()
        return False

    def wake(self) -> None:
        """Wake all waiting tasks."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self) -> None:
        """Wait until the state changes or a probe is due."""
        seconds = self._next_probe - self._clock.monotonic()
        if self._probe is not None:
            await self._changed.wait()
        elif seconds > 0:
            await self._clock.wait(self._changed, seconds)
