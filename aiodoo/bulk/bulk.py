"""`session.bulk`: run, stream and forecast many changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias

import anyio
import attrs

from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.bulk.runner import Run
from aiodoo.bulk.tally import Settings, price
from aiodoo.client import Client
from aiodoo.errors import ConfigError, UnsafePlan
from aiodoo.forecast import Forecast, forecast_team
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.quota import Lane
from aiodoo.walk import read_team

Operations: TypeAlias = Iterable[Operation] | AsyncIterable[Operation]


@attrs.frozen
class Bulk:
    """Many changes over many teams, in the lane that lets a person's calls go first."""

    _client: Client

    async def run(
        self,
        operations: Operations,
        *,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "wait",
        grace: float = 10.0,
        allow_net_deletes: int | None = None,
    ) -> Report:
        """Carry out all operations and report how each of them ended.

        Teams go side by side; operations that name the same webhook go in order; a team that fails does not
        stop the others. A create whose answer was lost is never repeated before a list, read when it can no
        longer land, has proven that nothing happened. Old webhooks are deleted only after their replacements
        were seen. Costs, for a team of p pages (S = p if p is 1, else 2 p): S + creates if it has only those,
        else S + p for every ten updates + creates + deletes + 2 x updates + S.

        Args:
            operations: `Create`, `Ensure`, `Update`, `Replace` and `Delete`, in any order over any teams.
            progress: called with a `Progress` after every step.
            settle: seconds after which a create without an answer can no longer land.
            on_exhausted: when the day's quota is spent, return an unfinished report (`complete` is False, and
                `resume_at` says when to go on), or wait for the next day's.
            grace: seconds that a cancelled run takes to learn what became of the requests on their way.
            allow_net_deletes: if given, exactly how many `Delete` operations there must be.

        Raises:
            ConfigError: an operation cannot be right; nothing was sent.
            UnsafePlan: there are more or fewer deletes than allowed; nothing was sent.
            AuthenticationError: the credentials were refused; what was begun was finished as far as possible.
        """
        settings = Settings(settle=settle, park=on_exhausted == "park", grace=grace, progress=progress)
        run = Run(self._client, await _checked(operations, allow_net_deletes), settings)
        await run.go()
        return run.report()

    def stream(
        self,
        operations: Operations,
        *,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "wait",
        grace: float = 10.0,
        allow_net_deletes: int | None = None,
    ) -> Stream:
        """Carry out all operations and yield each outcome as it is known.

        An async context manager; iterate over what it gives, and ask it for `report()` at any moment. Leaving
        it early stops the run as a cancellation would. Costs and errors are those of `run`.

        Args:
            operations, progress, settle, on_exhausted, grace, allow_net_deletes: as for `run`.
        """
        settings = Settings(settle=settle, park=on_exhausted == "park", grace=grace, progress=progress)
        return Stream(self._client, operations, settings, allow_net_deletes)

    async def forecast(self, operations: Operations) -> Forecast:
        """Read the teams and return what a run of these operations would do and cost; nothing is changed.

        Costs one request a page of each team.

        Raises:
            ConfigError: an operation cannot be right; nothing was sent.
        """
        teams: dict[str, list[Operation]] = defaultdict(list)
        for operation in await _checked(operations, None):
            teams[operation.team_id].append(operation)
        forecasts = []
        for team_id, of_team in teams.items():
            listing = await read_team(self._client, team_id, stable=False, lane=Lane.BULK, deadline="session")
            forecasts.append(
                forecast_team(
                    team_id, of_team, listing.webhooks, page_size=listing.page_size, facts=self._client.facts
                )
            )
        return price(forecasts, self._client.limits)


class Stream(AsyncIterator[Outcome]):
    """A run that goes on while its outcomes are read."""

    def __init__(
        self, client: Client, operations: Operations, settings: Settings, allow_net_deletes: int | None
    ) -> None:
        self._client = client
        self._operations = operations
        self._allow_net_deletes = allow_net_deletes
        self._send, self._outcomes = anyio.create_memory_object_stream[Outcome](float("inf"))
        self._settings = attrs.evolve(settings, on_outcome=self._send.send_nowait)
        self._run: Run | None = None
        self._going: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        operations = await _checked(self._operations, self._allow_net_deletes)
        self._run = Run(self._client, operations, self._settings)
        self._going = asyncio.create_task(self._run.go())
        self._going.add_done_callback(lambda _: self._send.close())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._going is not None  # noqa: S101  # __aenter__ began it
        self._going.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait({self._going})
        self._outcomes.close()
        if not self._going.cancelled() and (failure := self._going.exception()) is not None and error is None:
            raise failure

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        try:
            return await self._outcomes.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    def report(self) -> Report:
        """Return what is known at this moment."""
        if self._run is None:
            raise ConfigError("a stream has a report once it was entered with `async with`")
        return self._run.report()


async def _checked(operations: Operations, allow_net_deletes: int | None) -> Sequence[Operation]:
    """Read and check every operation before anything is sent."""
    if isinstance(operations, AsyncIterable):
        checked = [operation async for operation in operations]
    else:
        checked = list(operations)
    for number, operation in enumerate(checked):
        if not isinstance(operation, Create | Ensure | Update | Replace | Delete):
            raise ConfigError(f"operation {number} is a {type(operation).__name__}; nothing was sent")
        if isinstance(operation, Create | Ensure | Replace):
            operation.config.check()
    deletes = sum(isinstance(operation, Delete) for operation in checked)
    if allow_net_deletes is not None and deletes != allow_net_deletes:
        raise UnsafePlan(f"{deletes} deletes were given and {allow_net_deletes} allowed; nothing was sent")
    return checked
