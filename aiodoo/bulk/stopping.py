"""Ending a run early: what it still does then, and what stays live twice."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from aiodoo.client.client import Client
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DooError
from aiodoo.events import LeftLive
from aiodoo.offload import wait_uncancelled
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status, TrackedOperation
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Lane

T = TypeVar("T")

_log = logging.getLogger("aiodoo.bulk")

POLL = 0.2
"""Seconds between two looks at a signal of threads, whose `wait` would block the event loop."""


STOPPED = "it was asked to stop"
"""Why a run ended that heard its signal."""


class StopSignal(Protocol):
    """What `stop=` takes: an `asyncio.Event`, an `anyio.Event`, a `threading.Event` or anything like them."""

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        ...

    def wait(self) -> Any:
        """Wait until it is; not called unless it is a coroutine function."""
        ...


def check_signal(value: object, name: str) -> None:
    """Check that something is None or can tell a run to stop.

    Raises:
        ConfigError: it cannot.
    """
    if value is not None and not all(callable(getattr(value, each, None)) for each in ("is_set", "wait")):
        raise ConfigError(
            f"{name} must be an event, such as asyncio.Event(), with is_set() and wait(); nothing was sent"
        )


async def asked(signal: StopSignal, clock: Clock) -> None:
    """Wait until a signal tells to stop."""
    if inspect.iscoroutinefunction(signal.wait):
        if not signal.is_set():
            await signal.wait()
        return
    while not signal.is_set():
        await clock.sleep(POLL)


class AskedToStop(Exception):
    """A run was asked to stop while something was read or waited for before it began.

    Attributes:
        error: what it waited for, if that is an error of its operations.
    """

    def __init__(self, error: DooError | None = None) -> None:
        super().__init__(STOPPED)
        self.error = error


async def unless_asked(signal: StopSignal | None, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """Do some work before a run begins, in a task of its own that ends at once when the signal tells to stop.

    Raises:
        AskedToStop: it did; the work was not done, or broken off.
    """
    if signal is None:
        return await work
    if signal.is_set():
        work.close()
        raise AskedToStop
    task, stop = asyncio.create_task(work), asyncio.create_task(asked(signal, clock))
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        stop.result()  # Raises what the caller's own event has raised.
    finally:
        for each in (task, stop):
            each.cancel()
        await wait_uncancelled(asyncio.gather(task, stop, return_exceptions=True))
    raise AskedToStop


def still_to_do(
    teams: Iterable[TeamSteps],
    client: Client,
    within: float,
    *,
    unsent: Callable[[TeamSteps], tuple[int, int]],
) -> str:
    """Say what it takes to leave nothing live twice.

    Args:
        teams: the teams of the run.
        client: for the time that it takes.
        within: seconds that there are.
        unsent: how many creates and deletes of a team's updates have been asked for and have not left. Such creates do not
            leave any more, and such deletes do.
    """
    requests = 0
    for steps in teams:
        creates, deletes = unsent(steps)
        requests += steps.to_finish(taken_back=creates, waiting=deletes)
    if not requests:
        return "stopping: nothing is half done"
    seconds = client.account.eta(requests, Lane.BULK) - client.clock.monotonic()
    about = f"about {max(1, math.ceil(seconds))} s" if seconds < math.inf else "more time than there is"
    words = "one request leaves" if requests == 1 else f"{requests} requests leave"
    return f"stopping: {words} nothing live twice; {about}, at most {within:g} s"


_WAY_OUT = {
    False: "Going on with the run's journal ends them; without one, list the team and delete one of each two",
    True: "The run has ended them so, and going on with it changes nothing: look at both and delete one of each two, "
    "before anything else is run on them",
}
"""What ends a pair, by whether its operation has ended."""


@attrs.frozen
class Left:
    """One update or replacement that was left with its old and its new webhook configuration live, as far as is known."""

    team_id: str
    old_id: str
    new_id: str | None
    deletes_sent: int
    ended: bool

    @classmethod
    def of(cls, change: TrackedOperation) -> Left:
        """Read it off a change."""
        new_id = change.new_id
        return cls(change.operation.team_id, change.old_id or "", new_id, change.deletes_sent, change.ended)

    def __str__(self) -> str:
        return f"{self.old_id} and {self.new_id or 'what may have been created in its place'}"


def left_live(teams: Iterable[TeamSteps]) -> list[Left]:
    """Return what is left with both live, team by team."""
    return [Left.of(change) for steps in teams for change in steps.changes if change.both_live]


def tell(left: Sequence[Left], client: Client) -> None:
    """Name all that is left with both live: in the log, a line for each team, and as events."""
    by_team: dict[tuple[str, bool], list[Left]] = {}
    for each in left:
        by_team.setdefault((each.team_id, each.ended), []).append(each)
        client.tell(
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
            _WAY_OUT[ended],
        )


def tell_of_others(teams: Iterable[TeamSteps]) -> None:
    """Name in the log what was carried out, and what of it somebody else has to do with: it may be live twice."""
    for steps in teams:
        for change in steps.changes:
            if change.reason is not None and change.status is Status.APPLIED:
                _log.warning("team %s: %s", steps.team_id, change.reason)


def in_short(left: Sequence[Left]) -> str:
    """Name what is left with both live, in one line."""
    if not left:
        return "nothing is live twice"
    named = "; ".join(f"{each} (team {each.team_id})" for each in left)
    return f"{len(left)} updates are left with old and new both live, as far as is known: {named}"
