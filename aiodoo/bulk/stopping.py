"""Stop signals, what a stopping run still does, and what it leaves live twice."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DooError
from aiodoo.events import LeftLive, Listeners
from aiodoo.offload import wait_uncancelled
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status, TrackedOperation
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Lane
from aiodoo.quota.hold import Claims

T = TypeVar("T")

_log = logging.getLogger("aiodoo.bulk")

POLL = 0.2
"""Seconds between two checks of a signal whose `wait` would block the event loop, such as `threading.Event`."""

STOPPED = "it was asked to stop"
"""`stopped_because` of a run whose `stop=` was set."""


class StopSignal(Protocol):
    """The type of `stop=`: an `asyncio.Event`, an `anyio.Event`, a `threading.Event` or anything like them."""

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        ...

    def wait(self) -> Any:
        """Wait until the run is to stop; called only if it is a coroutine function."""
        ...


def check_signal(value: object, name: str) -> None:
    """Check that a value is None or a `StopSignal`.

    Raises:
        ConfigError: it is neither.
    """
    if value is not None and not all(callable(getattr(value, each, None)) for each in ("is_set", "wait")):
        raise ConfigError(
            f"{name} must be an event, such as asyncio.Event(), with is_set() and wait(); nothing was sent"
        )


async def wait_for_signal(signal: StopSignal, clock: Clock) -> None:
    """Wait until a signal is set."""
    if inspect.iscoroutinefunction(signal.wait):
        if not signal.is_set():
            await signal.wait()
        return
    while not signal.is_set():
        await clock.sleep(POLL)


class StopRequested(Exception):
    """`stop=` was set before the run started.

    Attributes:
        error: the error of its operations, if it waited for a claim.
    """

    def __init__(self, error: DooError | None = None) -> None:
        super().__init__(STOPPED)
        self.error = error


async def unless_stopped(signal: StopSignal | None, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` in a task that is cancelled when the signal is set, and return its result.

    Raises:
        StopRequested: the signal was set first.
    """
    if signal is None:
        return await work
    if signal.is_set():
        work.close()
        raise StopRequested
    task, stop = asyncio.create_task(work), asyncio.create_task(wait_for_signal(signal, clock))
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        stop.result()  # Raises an error of the caller's signal.
    finally:
        for each in (task, stop):
            each.cancel()
        await wait_uncancelled(asyncio.gather(task, stop, return_exceptions=True))
    raise StopRequested


def still_to_do(
    teams: Iterable[TeamSteps],
    claims: Claims,
    now: float,
    within: float,
    *,
    unsent: Callable[[TeamSteps], tuple[int, int]],
    lane: Lane,
) -> str:
    """Return a text with the requests and the time that it takes until nothing is live twice.

    Args:
        teams: the teams of the run.
        claims: the account, whose ledger knows the time.
        now: the time (monotonic seconds).
        within: seconds that the run may take.
        unsent: returns how many creates and deletes of a team's updates wait for a slot. These creates are not sent any
            more, the deletes are.
        lane: the queue in which its requests wait.
    """
    requests = 0
    for steps in teams:
        creates, deletes = unsent(steps)
        requests += steps.to_finish(taken_back=creates, waiting=deletes)
    if not requests:
        return "stopping: nothing is half done"
    seconds = claims.eta(requests, lane) - now
    about = f"about {max(1, math.ceil(seconds))} s" if seconds < math.inf else "more time than there is"
    needed = "one request leaves" if requests == 1 else f"{requests} requests leave"
    return f"stopping: {needed} nothing live twice; {about}, at most {within:g} s"


_REMEDY = {
    False: "Resuming the run ends this; without a journal, list the team and delete one of each two",
    True: "Their operations have ended, so resuming the run changes nothing: look at both and delete one of each two, "
    "before anything else is run on them",
}
"""The advice for a pair, by whether its operation has ended."""


@attrs.frozen
class Left:
    """An update or replacement whose old and new webhook configurations may both have been left live."""

    team_id: str
    old_id: str
    new_id: str | None
    deletes_sent: int
    ended: bool

    @classmethod
    def of(cls, change: TrackedOperation) -> Left:
        """Return it for an operation."""
        new_id = change.new_id
        return cls(change.operation.team_id, change.old_id or "", new_id, change.deletes_sent, change.ended)

    def __str__(self) -> str:
        return f"{self.old_id} and {self.new_id or 'what may have been created in its place'}"


def left_live(teams: Iterable[TeamSteps]) -> list[Left]:
    """Return the updates and replacements that are left live twice, team by team."""
    return [Left.of(change) for steps in teams for change in steps.changes if change.both_live]


def report_left_live(left: Sequence[Left], listeners: Listeners) -> None:
    """Log a warning for each team with something live twice, and report each as a `LeftLive` event."""
    by_team: dict[tuple[str, bool], list[Left]] = {}
    for each in left:
        by_team.setdefault((each.team_id, each.ended), []).append(each)
        listeners.tell(
            LeftLive(
                kind=Kind.DELETE,
                team_id=each.team_id,
                attempt=each.deletes_sent,
                old_id=each.old_id,
                new_id=each.new_id,
            )
        )
    for (team_id, ended), of_team in by_team.items():
        _log.warning(
            "%d updates of team %s were left half done, and old and new may both be live: %s. %s",
            len(of_team),
            team_id,
            "; ".join(map(str, of_team)),
            _REMEDY[ended],
        )


def warn_of_others(teams: Iterable[TeamSteps]) -> None:
    """Log a warning for each applied operation with a reason: somebody else's change may have left it live twice."""
    for steps in teams:
        for change in steps.changes:
            if change.reason is not None and change.status is Status.APPLIED:
                _log.warning("team %s: %s", steps.team_id, change.reason)


def in_one_line(left: Sequence[Left]) -> str:
    """Return a line that names everything that is left live twice."""
    if not left:
        return "nothing is live twice"
    named = "; ".join(f"{each} (team {each.team_id})" for each in left)
    return f"{len(left)} updates are left with old and new both live, as far as is known: {named}"
