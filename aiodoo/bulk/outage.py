"""An outage: doo cannot be reached for a while, and a run waits for it with one probe for all of its teams."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import anyio

from aiodoo.client.client import Client
from aiodoo.errors import DooError, RateLimited

_log = logging.getLogger("aiodoo.bulk")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the first probe of an outage, and at most between two."""


class Outage:
    """Whether doo can be reached, as a run has found out.

    From the first request that could not be sent on, nothing leaves but one probe after 1, 2, 4 ... 60 seconds, whichever
    team it is for. It ends when doo answers.

    Args:
        client: whose requests they are.
        patience: seconds for which an outage is waited for.
    """

    def __init__(self, client: Client, patience: float) -> None:
        self._client = client
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
    def holds(self) -> bool:
        """Whether nothing more may be asked for now."""
        if self._began is None:
            return False
        return self._probe is not None or self._client.clock.monotonic() < self._next_probe

    @property
    def lasts_too_long(self) -> bool:
        """Whether an outage has lasted for as long as it is waited for."""
        return self._began is not None and self._client.clock.monotonic() >= self._began + self._patience

    @property
    def words(self) -> str:
        """What is wrong, and since when."""
        refuses = isinstance(self._cause, RateLimited)
        what = "doo refuses every request" if refuses else "doo cannot be reached"
        return f"{what} since {self._since:%Y-%m-%d %H:%M:%S} UTC: {self._cause}"

    @property
    def look_again_at(self) -> datetime:
        """When another run may find it over."""
        return self._client.clock.now() + timedelta(seconds=LONGEST_WAIT)

    def waits_for(self, error: DooError) -> bool:
        """Return whether it is waited for that the cause of an error passes: only if doo has answered before.

        Else the settings may be wrong, or the way there is not open yet.
        """
        return bool(self._client.stats.answers) or isinstance(error, RateLimited)

    def may_leave(self, request: object) -> bool:
        """Return whether a request may leave: in an outage, only the probe."""
        return self._began is None or request is self._probe

    def asks(self, request: object) -> None:
        """Let a request that is asked for now be the probe, in an outage."""
        if self._began is not None:
            self._probe = request

    def strikes(self, error: DooError, request: object) -> None:
        """Take in that a request was proven not to have been sent, or was refused as every other one."""
        now = self._client.clock.monotonic()
        self._cause = error
        if self._began is None:
            self._began, self._since = now, self._client.clock.now()
            self._wait = FIRST_WAIT
            _log.info("%s; the run waits for at most %g s", self.words, self._patience)
        elif request is self._probe:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        else:
            return  # It left, or was about to, when the outage began.
        self._probe = None
        self._answers = self._client.stats.answers.total()
        self._next_probe = min(now + self._wait, self._began + self._patience)
        self.wake()

    def came_back(self, request: object) -> bool:
        """Take in that a request has ended in another way; return whether that ends an outage."""
        if self._began is None:
            return False
        if self._client.stats.answers.total() > self._answers:
            seconds = self._client.clock.monotonic() - self._began
            _log.info("doo answers again after %.0f s", seconds)
            self._began = self._probe = None
            self.wake()
            return True
        if request is self._probe:
            # Called back, or lost on the way: it has told nothing.
            self._probe = None
            self._next_probe = self._client.clock.monotonic() + self._wait
            self.wake()
        return False

    def wake(self) -> None:
        """Let all who wait look at it again."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self) -> None:
        """Wait until something has changed, or a probe is due."""
        seconds = self._next_probe - self._client.clock.monotonic()
        if self._probe is not None:
            await self._changed.wait()
        elif seconds > 0:
            await self._client.clock.wait(self._changed, seconds)
