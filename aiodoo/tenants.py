"""Tenants: sessions of many API keys, used concurrently and isolated from each other."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

from aiodoo.checks import check_callback, check_choice, check_flag, check_kind
from aiodoo.doo_warnings import Line
from aiodoo.errors import ConfigError, DooError
from aiodoo.event_loop import running_loop
from aiodoo.models import WebhookConfiguration
from aiodoo.offload import wait_uncancelled
from aiodoo.profiles import Profile
from aiodoo.session import Options, Session
from aiodoo.tenant_forecast import TenantsForecast
from aiodoo.tenant_sessions import SessionsMade
from aiodoo.tenant_walk import TenantError, TenantWalk
from aiodoo.tenant_work import TenantWork
from aiodoo.walk import Collected, TeamIds, Walk

if TYPE_CHECKING:
    from aiodoo.bulk import Progress, Report, RunOptions
    from aiodoo.bulk.input import Operations
    from aiodoo.operations.forecast import Forecast

__all__ = ["TenantError", "TenantWalk", "Tenants", "TenantsForecast"]

T = TypeVar("T")

_NOT_OPEN = "the tenants are not open; use `async with Tenants(...)`. Nothing was sent."

Baselines = Mapping[str, Mapping[str, list[WebhookConfiguration]] | Collected]
"""Lists that were read a moment ago, by tenant."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Tenants(Mapping[str, Session]):
    """A mapping of tenants' names to sessions, each with its own API key, limits, token and errors.

    Open it with `async with`. Its exit cancels work in progress and closes all sessions, including those that were
    passed in. A run takes its grace for the last answers, and can be resumed from its journal. `add` and `remove` change
    the tenants meanwhile.

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
            _check_tenant(name, given)
        self._given = dict(tenants)
        self._made = SessionsMade(config, options)
        self._work = TenantWork(self._given, concurrency)
        self._sessions: dict[str, Session | DooError] = {}
        self.profiles: dict[str, Profile] = {}
        self._walking: set[asyncio.Task[None]] = set()
        self._removals: set[asyncio.Future[None]] = set()
        self._open = False

    async def __aenter__(self) -> Self:
        running_loop()
        self._work.closing = False
        try:
            file = await self._made.file(self._given.values())
            for name, given in list(self._given.items()):
                try:
                    self._put(name, await self._made.loaded(given, file))
                except DooError as error:
                    # Without its traceback, which would keep the file in memory.
                    self._sessions[name] = error.again()
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
        self._open, self._work.closing = False, True
        given = [each for each in self._given.values() if isinstance(each, Session)]
        tasks = [*self._walking, *self._work.tasks()]
        await self._cancel_and_close(tasks, lambda: [*given, *self._sessions.values()], *self._removals)

    async def _cancel_and_close(
        self,
        tasks: Iterable[asyncio.Task[None]],
        sessions: Callable[[], Iterable[Session | DooError]],
        *removals: asyncio.Future[None],
    ) -> None:
        """Cancel tasks, close sessions and wait for removals, even if the caller is cancelled; raise the first error."""

        async def close() -> None:
            await self._work.end(others)
            closing = [each.aclose() for each in dict.fromkeys(sessions()) if isinstance(each, Session)]
            for failure in await asyncio.gather(*closing, *removals, return_exceptions=True):
                if failure is not None:
                    raise failure

        others = [task for task in tasks if task is not asyncio.current_task()]
        closing = asyncio.ensure_future(close())
        self._removals.add(closing)
        closing.add_done_callback(self._removals.discard)
        await wait_uncancelled(closing)
        closing.result()

    async def add(self, name: str, tenant: Session | Profile | str) -> None:
        """Add a tenant while the tenants are open. Costs no request.

        Walks and work that have begun go on without it; those that begin afterwards include it. Its session is closed
        with the tenants, even if it was passed in.

        Args:
            name: the name of the tenant, which no other has. To give a tenant another session, such as one with new
                credentials, remove it first.
            tenant: a `Session`, a `Profile`, or the name of a profile, as for `Tenants`.

        Raises:
            ConfigError: there is a tenant of this name, the tenants are not open, or the profile cannot be loaded;
                nothing was added, and a session that was passed in stays open.
        """
        _check_tenant(name, tenant)
        self._check_new(name)
        found = await self._made.loaded(tenant, await self._made.file([tenant]))
        self._check_new(name)
        self._put(name, found)
        self._given[name] = tenant

    async def remove(self, name: str) -> None:
        """Remove a tenant while the tenants are open: end what is done for it, and close its session. Costs no request.

        Nothing begins for it from now on. What has begun is cancelled, as when the tenants are closed: a run takes its
        grace for the last answers, and can be resumed from its journal. Whoever has called `run`, `each` or `forecast`
        gets a ConfigError in the place of its result, and a walk raises or collects one. The other tenants continue.
        To let something finish, await it before.

        Args:
            name: the name of the tenant. It may be added again at once.

        Raises:
            ConfigError: there is no such tenant, or the tenants are not open; nothing was ended.
        """
        self._check_open()
        self._check_names([name])
        session = self._sessions.pop(name)
        del self._given[name]
        self.profiles.pop(name, None)
        await self._cancel_and_close(
            self._work.tasks(name),
            # Another tenant may have the same session.
            lambda: () if session in self._sessions.values() else (session,),
        )

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
        # Of a copy, as tenants may be added and removed meanwhile.
        return iter(list(self._given))

    def __len__(self) -> int:
        return len(self._given)

    def webhooks(
        self,
        *,
        teams: Mapping[str, TeamIds] | None = None,
        on_error: Literal["raise", "collect"] = "raise",
        stable: bool = False,
        only: Iterable[str] | None = None,
    ) -> TenantWalk:
        """Return a walk over the webhook configurations of all tenants, which yields `(tenant, webhook)`.

        Costs one request per page, and one per tenant whose teams doo has to name. After a `break` the readers stop when
        the tenants are closed; use `async with` around the walk to stop them at once.

        Args:
            teams: the teams of some tenants, as for `webhooks.list`. For other tenants the teams of their profile are
                read, or if it has none, all that doo names.
            on_error: "collect" stores errors in `walk.errors` and continues with the other teams and tenants.
            stable: read each team until two readings agree; see `webhooks.list`.
            only: the names of the tenants to read; all if not given.

        Raises:
            ConfigError: `teams` or `only` has the name of no tenant; nothing was sent. Iteration raises it, too, if the tenants are
                not open.
        """
        check_choice(on_error, "on_error", ("raise", "collect"))
        check_flag(stable, "stable")
        teams = {} if teams is None else teams
        check_kind(teams, "teams", Mapping, "a mapping of tenants' names to teams")
        names = list(self if only is None else only)
        self._check_names([*teams, *names])
        return TenantWalk(
            partial(self._for_each, names),
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
        baselines: Baselines | None = None,
        **options: Unpack[RunOptions],
    ) -> dict[str, Report | DooError]:
        """Run the operations of every tenant concurrently; return a report or an error for each name.

        Args:
            operations: the operations of each tenant, as for `bulk.run`.
            journals: a folder for the journals `NAME.journal` of the tenants, created if it does not exist. With the
                same folder an unfinished run is resumed.
            progress: called with the tenant's name and a `Progress` after every step.
            baselines: the `baseline` of each tenant, such as `forecast.baselines`.
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
        read = self._baselines(baselines)
        self._check_open()
        folder = None if journals is None else _journals(Path(journals), operations)
        # RunOptions has neither `journal` nor `progress`, which a type checker cannot know.
        given: dict[str, Any] = {**options}

        async def run(name: str) -> Report:
            return await self[name].bulk.run(
                operations[name],
                journal=folder and folder / f"{name}.journal",
                progress=progress and partial(progress, name),
                **given | read.get(name, {}),
            )

        with Line.of_caller().of_tasks():
            return await self._for_each(operations, run)

    async def forecast(
        self, operations: Mapping[str, Operations], *, baselines: Baselines | None = None
    ) -> TenantsForecast:
        """Forecast the operations of every tenant concurrently; return a mapping of names to forecasts or errors.

        It has the sums, and the longest tenant's time. Costs one request a page of each team, as `bulk.forecast` does,
        and nothing for a team whose list is in `baselines`. Pass its `operations` and `baselines` to `run`, and no team
        of one page is listed twice.

        Args:
            operations: the operations of each tenant, as for `bulk.run`.
            baselines: the `baseline` of each tenant, as for `bulk.forecast`.

        Raises:
            ConfigError: a name is that of no tenant, or the tenants are not open; nothing was sent.
        """
        check_kind(operations, "operations", Mapping, "a mapping of tenants' names to operations")
        self._check_names(operations)
        read = self._baselines(baselines)

        async def forecast(name: str) -> Forecast:
            return await self[name].bulk.forecast(operations[name], **read.get(name, {}))

        with Line.of_caller().of_tasks():
            return TenantsForecast(await self._for_each(operations, forecast))

    def _baselines(self, baselines: Baselines | None) -> dict[str, Any]:
        """Return the argument `baseline` of each tenant."""
        baselines = {} if baselines is None else baselines
        check_kind(baselines, "baselines", Mapping, "a mapping of tenants' names to what collect() returned")
        self._check_names(baselines)
        return {name: {"baseline": baseline} for name, baseline in baselines.items()}

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

    def _put(self, name: str, found: Session | Profile) -> None:
        self._sessions[name] = self._made.session(found)
        if isinstance(found, Profile):
            self.profiles[name] = found

    def _check_new(self, name: str) -> None:
        self._check_open()
        if name in self._given:
            raise ConfigError(f"there is a tenant {name} already; nothing was added. Remove it first.")

    async def _for_each(
        self, names: Iterable[str], work: Callable[[str], Awaitable[T]]
    ) -> dict[str, T | DooError]:
        running_loop()
        self._check_open()
        return await self._work.for_each(names, work)


def _check_tenant(name: object, given: object) -> None:
    check_kind(name, "the name of a tenant", str, "text")
    check_kind(given, f"tenant {name}", (Session, Profile, str), "a Session, a profile or its name")


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
