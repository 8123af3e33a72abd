"""`session.bulk`: run, stream and forecast many changes."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import anyio
import attrs

from aiodoo.bulk.journal import Journal, Past, no_run, read
from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.bulk.runner import Run
from aiodoo.bulk.tally import Settings, price
from aiodoo.bulk.verification import Verification, verify
from aiodoo.bulk.written import reveal_all
from aiodoo.client import Client
from aiodoo.errors import ConfigError, UnsafePlan
from aiodoo.forecast import Forecast, Requests, forecast_team
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.quota import Lane
from aiodoo.walk import read_team

Operations: TypeAlias = (
    Iterable[Operation] | AsyncIterable[Operation] | Callable[[], Awaitable[Iterable[Operation]]]
)
"""Operations, or an async function that finds them out; a run that goes on from its journal does not call it."""


@attrs.frozen
class Bulk:
    """Many changes over many teams, in the lane that lets a person's calls go first."""

    _client: Client

    async def run(
        self,
        operations: Operations,
        *,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] | None = None,
        grace: float = 10.0,
        canary: bool = False,
        allow_net_deletes: int | None = None,
    ) -> Report:
        """Carry out all operations and report how each of them ended.

        Teams go side by side; operations that name the same webhook go in order; a team that fails does not
        stop the others, three in a row do (`report.stopped_because`). A create whose answer was lost is never repeated before a list, read when it can no
        longer land, has proven that nothing happened. Old webhooks are deleted only after their replacements
        were seen. Costs, for a team of p pages (S = p if p is 1, else 2 p): S + creates if it has only those,
        else S + p for every ten updates + creates + deletes + 2 x updates + S.

        Args:
            operations: `Create`, `Ensure`, `Update`, `Replace` and `Delete`, in any order over any teams; an
                iterable, an async iterable, or an async function without arguments that returns one of them.
            journal: a file in which every step is written down before it is taken. If it holds an unfinished run of
                the same operations, that run goes on (`report.resumed`); if that one had finished, its report is
                returned and nothing is sent. It holds no secrets, only where they come from.
            progress: called with a `Progress` after every step.
            settle: seconds after which a create without an answer can no longer land.
            on_exhausted: when the day's quota is spent, return an unfinished report (`complete` is False, and
                `resume_at` says when to go on), or wait for the next day's. By default a run with a journal parks and one
                without waits.
            grace: seconds that a cancelled run takes to learn what became of the requests on their way.
            canary: do the first team alone, and the others only if everything in it is as wanted then.
            allow_net_deletes: if given, exactly how many `Delete` operations there must be.

        Raises:
            ConfigError: an operation cannot be right; nothing was sent.
            UnsafePlan: there are more or fewer deletes than allowed; nothing was sent.
            AuthenticationError: the credentials were refused; what was begun was finished as far as possible.
            JournalError: the journal is locked, belongs to another run, is damaged, or cannot be written; nothing is
                sent that was not written down before.
        """
        park = on_exhausted == "park" or (on_exhausted is None and journal is not None)
        settings = Settings(settle=settle, park=park, grace=grace, canary=canary, progress=progress)
        if journal is not None:
            return await self._journaled(Path(journal), operations, settings, allow_net_deletes)
        run = Run(self._client, await _checked(operations, allow_net_deletes), settings)
        await run.go()
        return run.report()

    async def resume(
        self,
        journal: str | os.PathLike[str],
        *,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "park",
        grace: float = 10.0,
    ) -> Report:
        """Go on with the run of a journal, without its operations at hand.

        Args:
            journal: the file that `run(journal=)` was given.
            progress, settle, on_exhausted, grace: as for `run`.

        Raises:
            SecretsNeeded: an operation that is not done yet has a secret that was given as a bare value; nothing was
                sent. Call `run` with the same operations and the same journal.
            JournalError: there is no such run, it is locked, or it cannot be used.
        """
        settings = Settings(settle=settle, park=on_exhausted == "park", grace=grace, progress=progress)
        return await self._journaled(Path(journal), None, settings)

    async def report(self, journal: str | os.PathLike[str]) -> Report:
        """Return what a journal tells of its run, which may be going on; costs no request.

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
        """
        return _report(await self._read(Path(journal)))

    async def verify(self, journal: str | os.PathLike[str]) -> Verification:
        """Read every team of a journal's run once more and say what is no longer, or not yet, as the run left it.

        Use it after `report.recheck_at`, when a create whose answer was lost can have landed late. Nothing is
        changed. Costs one request a page of each team, twice that where a team has more than one page.

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
            SecretsNeeded: a secret was given as a bare value, so what was wanted cannot be compared.
        """
        return await verify(self._client, await self._read(Path(journal)))

    async def _read(self, path: Path) -> Past:
        account = self._client.account_name
        return await self._client.worker.do(lambda: read(path, account))

    async def _journaled(
        self,
        path: Path,
        operations: Operations | None,
        settings: Settings,
        allow_net_deletes: int | None = None,
    ) -> Report:
        journal = Journal(path, self._client.account_name, self._client.fingerprint_key, self._client.worker)
        given: Sequence[Operation] = ()
        try:
            past = await journal.open()
            if past is None:
                if operations is None:
                    raise no_run(path)
                given = await _checked(operations, allow_net_deletes)
                await journal.begin(given)
            elif operations is not None and not callable(operations):
                journal.hand_in(past, await _checked(operations, allow_net_deletes))
            if past is not None:
                if past.finished:
                    return _report(past)
                _check_secrets(past)
                given = [change.operation for change in past.changes]
            run = Run(self._client, given, settings, journal=journal, past=past)
            await run.go()
            return run.report()
        finally:
            with anyio.CancelScope(shield=True):
                await journal.close()

    def stream(
        self,
        operations: Operations,
        *,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "wait",
        grace: float = 10.0,
        canary: bool = False,
        allow_net_deletes: int | None = None,
    ) -> Stream:
        """Carry out all operations and yield each outcome as it is known.

        An async context manager; iterate over what it gives, and ask it for `report()` at any moment. Leaving
        it early stops the run as a cancellation would. Costs and errors are those of `run`.

        Args:
            operations, progress, settle, on_exhausted, grace, canary, allow_net_deletes: as for `run`.
        """
        settings = Settings(
            settle=settle, park=on_exhausted == "park", grace=grace, canary=canary, progress=progress
        )
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
    if callable(operations):
        operations = await operations()
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


def _report(past: Past) -> Report:
    sent = past.sent
    return Report(
        outcomes=tuple(Outcome.of(change) for change in past.changes),
        requests=Requests(
            lists=sent.get("list", 0), creates=sent.get("create", 0), deletes=sent.get("delete", 0)
        ),
        forecast=None,
        resumed=True,
    )


def _check_secrets(past: Past) -> None:
    """Raise SecretsNeeded unless every secret that is still to be sent can be had."""
    for change in past.changes:
        if change.status is None:
            reveal_all(change.operation)
