"""Tenants: sessions of many API keys, used concurrently and isolated from each other."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

import anyio

from aiodoo.bulk import Progress, Report, RunOptions
from aiodoo.bulk.input import Operations
from aiodoo.checks import check_callback, check_choice, check_flag, check_kind
from aiodoo.doo_warnings import Line
from aiodoo.errors import ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.offload import in_thread, wait_uncancelled
from aiodoo.profiles import Profile, ledger_path, load
from aiodoo.profiles.file import Table
from aiodoo.profiles.profile import opened
from aiodoo.quota import SQLite
from aiodoo.session import Options, Session
from aiodoo.tenant_walk import TenantError, TenantWalk
from aiodoo.walk import TeamIds, Walk

__all__ = ["TenantError", "TenantWalk", "Tenants"]

T = TypeVar("T")

_NOT_OPEN = "the tenants are not open; use `async with Tenants(...)`. Nothing was sent."

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Tenants(Mapping[str, Session]):
    """A mapping of tenants' names to sessions, each with its own API key, limits, token and errors.

    Open it with `async with`. Its exit cancels work in progress and closes all sessions, including those that were
    passed in. A run takes its grace for the last answers, and can be resumed from its journal.

    Args:
        tenants: for each name a `Session`, a `Profile`, or the name of a profile. Profiles share the ledger in the
            state directory, and the environment does not override them. A profile that cannot be loaded raises only
            when its tenant is used.
        concurrency: the number of tenants in progress at a time.
        config: the file with the profiles; the default file if not given.
        options: arguments for every session made from a profile, as for `Session`.

    Attributes:
        profiles: the loaded profiles by tenant name.
    """

    def __init__(
        self,
        tenants: Mapping[str, Session | Profile | str],
        *,
        concurrency: int = 32,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        if type(concurrency) is not int or concurrency < 1:
            raise ConfigError(
                "concurrency is how many tenants are worked for at a time; it must be a whole number of at least 1"
            )
        check_kind(tenants, "tenants", Mapping, "a mapping of names to sessions or profiles")
        for name, given in tenants.items():
            check_kind(name, "the name of a tenant", str, "text")
            check_kind(given, f"tenant {name}", (Session, Profile, str), "a Session, a profile or its name")
        self._given = dict(tenants)
        self._config = config
        self._options = options
        self._concurrency = concurrency
        self._sessions: dict[str, Session | DooError] = {}
        self.profiles: dict[str, Profile] = {}
        self._ledger: SQLite | None = None
        self._walking: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._open = False
        self._closing = False

    async def __aenter__(self) -> Self:
        running_loop()
        self._closing = False
        try:
            file = await self._file()
            for name, given in self._given.items():
                self._sessions[name] = await self._session(name, given, file)
        except BaseException:  # including a cancellation: no session stays open
            await self._close()
            raise
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        """Cancel all walks and work and close every session; afterwards raise the first error of these, if any."""
        self._open, self._closing = False, True
        tasks = [task for task in self._walking | self._working if task is not asyncio.current_task()]
        closing = asyncio.ensure_future(self._cancel_and_close(tasks))
        await wait_uncancelled(closing)
        closing.result()

    async def _cancel_and_close(self, tasks: Collection[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        given = [each for each in self._given.values() if isinstance(each, Session)]
        made = [each for each in self._sessions.values() if isinstance(each, Session)]
        closing = [session.aclose() for session in dict.fromkeys([*given, *made])]
        for failure in await asyncio.gather(*closing, return_exceptions=True):
            if failure is not None:
                raise failure

    def __getitem__(self, name: str) -> Session:
        """Return the session of a tenant.

        Raises:
            KeyError: there is no such tenant.
            ConfigError: its profile could not be loaded, or the tenants are not open.
        """
        if name in self._given and name not in self._sessions:
            raise ConfigError(_NOT_OPEN)
        session = self._sessions[name]
        if isinstance(session, DooError):
            raise session.again()
        return session

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a tenant, even if it is not open or its profile cannot be loaded."""
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def webhooks(
        self,
        *,
        teams: Mapping[str, TeamIds] | None = None,
        on_error: Literal["raise", "collect"] = "raise",
        stable: bool = False,
    ) -> TenantWalk:
        """Return a walk over the webhook configurations of all tenants, which yields `(tenant, webhook)`.

        Costs one request per page, and one per tenant whose teams doo has to name. After a `break` the readers stop when
        the tenants are closed; use `async with` around the walk to stop them at once.

        Args:
            teams: the teams of some tenants, as for `webhooks.list`. For other tenants the teams of their profile are
                read, or if it has none, all that doo names.
            on_error: "collect" stores errors in `walk.errors` and continues with the other teams and tenants.
            stable: read each team until two readings agree; see `webhooks.list`.

        Raises:
            ConfigError: `teams` has the name of no tenant; nothing was sent. Iteration raises it, too, if the tenants are
                not open.
        """
        check_choice(on_error, "on_error", ("raise", "collect"))
        check_flag(stable, "stable")
        teams = {} if teams is None else teams
        check_kind(teams, "teams", Mapping, "a mapping of tenants' names to teams")
        self._check_names(teams)
        return TenantWalk(
            partial(self._for_each, self),
            partial(self._walk, teams, on_error, stable),
            self._walking,
            collect_errors=on_error == "collect",
        )

    async def each(
        self, work: Callable[[str, Session], Awaitable[T]], *, only: Iterable[str] | None = None
    ) -> dict[str, T | DooError]:
        """Call an async function for every tenant concurrently; return its results, or errors, by name.

        Args:
            work: an async function of the tenant's name and session.
            only: the names of the tenants to call it for; all if not given.

        Raises:
            ConfigError: `only` has the name of no tenant, or the tenants are not open; nothing was done.
        """
        if not callable(work):
            raise ConfigError("work must be a function of a tenant's name and session; nothing was done")
        names = list(self._given if only is None else only)
        self._check_names(names)
        return await self._for_each(names, lambda name: work(name, self[name]))

    async def run(
        self,
        operations: Mapping[str, Operations],
        *,
        journals: str | os.PathLike[str] | None = None,
        progress: Callable[[str, Progress], object] | None = None,
        **options: Unpack[RunOptions],
    ) -> dict[str, Report | DooError]:
        """Run the operations of every tenant concurrently; return a report or an error for each name.

        Args:
            operations: the operations of each tenant, as for `bulk.run`.
            journals: a folder for the journals `NAME.journal` of the tenants, created if it does not exist. With the
                same folder an unfinished run is resumed.
            progress: called with the tenant's name and a `Progress` after every step.
            **options: as for `bulk.run`, see `RunOptions`, the same for all: `settle on_exhausted grace stop
                stop_within outage marker keep_secrets canary secrets on_finished baseline on_claimed moved command
                foreground max_pairs`.

        Raises:
            ConfigError: a name is that of no tenant or not possible for a journal, or the tenants are not open; nothing
                was sent.
        """
        check_kind(operations, "operations", Mapping, "a mapping of tenants' names to operations")
        check_callback(progress, "progress")
        self._check_names(operations)
        self._check_open()
        folder = None if journals is None else _journals(Path(journals), operations)
        # RunOptions has neither `journal` nor `progress`, which a type checker cannot know.
        given: dict[str, Any] = {**options}

        async def run(name: str) -> Report:
            return await self[name].bulk.run(
                operations[name],
                journal=folder and folder / f"{name}.journal",
                progress=progress and partial(progress, name),
                **given,
            )

        with Line.of_caller().of_tasks():
            return await self._for_each(operations, run)

    def _walk(
        self,
        teams: Mapping[str, TeamIds],
        on_error: Literal["raise", "collect"],
        stable: bool,  # noqa: FBT001  # private
        name: str,
    ) -> Walk:
        profile = self.profiles.get(name)
        given = teams.get(name, () if profile is None else profile.teams)
        webhooks = self[name].webhooks
        listed = partial(webhooks.list, given) if given or name in teams else webhooks.list_all
        return listed(on_error=on_error, stable=stable)

    def _check_open(self) -> None:
        if not self._open:
            raise ConfigError(_NOT_OPEN)

    def _check_names(self, names: Iterable[str]) -> None:
        if unknown := sorted(set(names) - set(self._given)):
            raise ConfigError(f"there is no tenant {', '.join(unknown)}; nothing was sent")

    async def _file(self) -> Table | DooError | None:
        """Return the file with the profiles, read once for all tenants; None if no profile is named."""
        if not any(isinstance(given, str) for given in self._given.values()):
            return None
        try:
            return await in_thread(partial(opened, self._config))
        except DooError as error:
            return error

    async def _session(
        self, name: str, given: Session | Profile | str, file: Table | DooError | None
    ) -> Session | DooError:
        if isinstance(given, Session):
            return given
        try:
            if isinstance(given, str):
                if isinstance(file, DooError):
                    raise file.again()
                # In a thread, as a secret may come from a command.
                given = await in_thread(
                    partial(load, given, config=self._config, environment=False, file=file)
                )
            self.profiles[name] = given
            self._ledger = self._ledger or SQLite(ledger_path())
            return Session(**{"quota": self._ledger, **given.options(), **self._options})
        except DooError as error:
            # Without its traceback, which would keep the file in memory.
            return error.again()

    async def _for_each(
        self, names: Iterable[str], work: Callable[[str], Awaitable[T]]
    ) -> dict[str, T | DooError]:
        running_loop()
        self._check_open()
        semaphore = asyncio.Semaphore(self._concurrency)
        results: dict[str, T | DooError] = {}

        async def run_one(name: str) -> None:
            task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # this one
            self._working.add(task)
            try:
                async with semaphore:
                    results[name] = _closed(name) if self._closing else await work(name)
            except DooError as error:
                results[name] = error
            except asyncio.CancelledError as error:
                if self._closing:
                    results[name] = _closed(name)
                elif task.cancelling():
                    raise
                else:
                    # `work` awaited something that was cancelled; this task was not.
                    results[name] = _wrapped(name, error)
            except Exception as error:  # noqa: BLE001  # the caller's code; the other tenants continue
                results[name] = _wrapped(name, error)
            finally:
                self._working.discard(task)

        names = list(names)
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(run_one, name)
        return {name: results[name] for name in names}


def _closed(name: str) -> ConfigError:
    return ConfigError(
        f"the tenants were closed before the work for {name} was done; resume a run with its journal"
    )


def _wrapped(name: str, error: BaseException) -> DooError:
    wrapped = DooError(
        f"the work for {name} failed with {type(error).__name__}, its __cause__; what it had sent until then stays done, "
        "and the other tenants continued"
    )
    wrapped.__cause__ = error
    return wrapped


def _journals(folder: Path, names: Mapping[str, object]) -> Path:
    for name in names:
        if _FILE_NAME.fullmatch(name) is None:
            raise ConfigError(
                f"the tenant {name!r} cannot name a journal; nothing was sent. Use A-Z a-z 0-9 _ . -"
            )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} for journals cannot be made: {error.strerror}; nothing was sent"
        ) from None
    return folder
