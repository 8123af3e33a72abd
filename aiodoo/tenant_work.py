"""The work that goes on for tenants: concurrent, isolated from each other, and ended for one tenant or for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import TypeVar

import anyio
import attrs

from aiodoo.errors import ConfigError, DooError

T = TypeVar("T")


@attrs.define(eq=False)
class TenantWork:
    """Calls functions for tenants, of which so many are worked for at a time."""

    _tenants: Container[str]
    """The names of the tenants that there are now."""
    _concurrency: int
    closing: bool = attrs.field(default=False, init=False)
    """Whether the tenants are being closed, or are closed."""
    _tasks: dict[asyncio.Task[None], str] = attrs.field(factory=dict, init=False)

    def tasks(self, name: str | None = None) -> list[asyncio.Task[None]]:
        """Return the tasks that work for a tenant, or for all."""
        return [task for task, tenant in self._tasks.items() if name is None or tenant == name]

    async def end(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Cancel tasks, and wait for them; what they worked for gets a ConfigError as its result."""
        tasks = list(tasks)
        for task in tasks:
            self._tasks.pop(task, None)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def for_each(
        self, names: Iterable[str], work: Callable[[str], Awaitable[T]]
    ) -> dict[str, T | DooError]:
        """Call an async function for each name; return its results, or errors, by name."""
        semaphore = asyncio.Semaphore(self._concurrency)
        results: dict[str, T | DooError] = {}

        async def run_one(name: str) -> None:
            task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # this one
            self._tasks[task] = name
            try:
                async with semaphore:
                    ended = self.closing or name not in self._tenants
                    results[name] = self._ended(name) if ended else await work(name)
            except DooError as error:
                results[name] = error
            except asyncio.CancelledError as error:
                if task not in self._tasks:
                    results[name] = self._ended(name)
                elif task.cancelling():
                    raise
                else:
                    # `work` awaited something that was cancelled; this task was not.
                    results[name] = _wrapped(name, error)
            except Exception as error:  # noqa: BLE001  # the caller's code; the other tenants continue
                results[name] = _wrapped(name, error)
            finally:
                self._tasks.pop(task, None)

        names = list(names)
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(run_one, name)
        return {name: results[name] for name in names}

    def _ended(self, name: str) -> ConfigError:
        what = "the tenants were closed" if self.closing else f"the tenant {name} was removed"
        return ConfigError(f"{what} before the work for {name} was done; resume a run with its journal")


def _wrapped(name: str, error: BaseException) -> DooError:
    wrapped = DooError(
        f"the work for {name} failed with {type(error).__name__}, its __cause__; what it had sent until then stays done, "
        "and the other tenants continued"
    )
    wrapped.__cause__ = error
    return wrapped
