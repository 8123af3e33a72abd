"""`aiodoo worker`: carry out the jobs of a queue, beside the workers of other machines."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli import run_folders
from aiodoo.cli.context import Given
from aiodoo.cli.options import Switch
from aiodoo.cli.terminal.exit_codes import DONE, WrongUsage
from aiodoo.cli.terminal.process import stop_signal

if TYPE_CHECKING:
    import asyncio

ENGINES = {
    "postgres": "procrastinate",
    "postgresql": "procrastinate",
    "redis": "streaq",
    "rediss": "streaq",
}
"""The engine for each scheme of a URL, which is the name of its module and of the extra that installs it."""


async def worker(
    *,
    engine_env: str = "AIODOO_ENGINE",
    queue: str = "aiodoo",
    journals: Path | None = None,
    concurrency: Annotated[int, Parameter(validator=Number(gte=1, lte=1000))] = 4,
    create_tables: Switch = False,
    settings: Given,
) -> int:
    """Carry out jobs that programs submit with `aiodoo.distributed`, until Ctrl-C or SIGTERM.

    It uses the profile, or all profiles for jobs that name their tenant. Runs in progress are stopped in order at the end,
    and other workers resume them. Each job costs what its operations cost as a run; waiting for jobs costs nothing.
    Workers of several hosts share the quota on the Redis or Valkey server whose URL is in AIODOO_LEDGER.

    Parameters
    ----------
    engine_env
        The environment variable with the URL of the engine's server: postgresql:// for procrastinate, redis:// for streaQ.
    queue
        The name of the queue.
    journals
        The folder with the journals of jobs, which all workers must share; by default on the server whose URL is in
        AIODOO_JOURNALS, else that in the state folder.
    concurrency
        The number of jobs at a time.
    create_tables
        Create the tables in the PostgreSQL database first, where they do not exist.
    """
    import asyncio  # noqa: PLC0415  # --help does without

    from aiodoo import profiles  # noqa: PLC0415
    from aiodoo.distributed import Worker  # noqa: PLC0415

    if settings.dry_run:
        raise WrongUsage("a worker has no dry run. Nothing was started.")
    engine = _engine(os.environ.get(engine_env, ""), variable=engine_env, queue=queue)
    async with settings.tenants(changes=True, ledger="itself") as tenants, engine:
        if create_tables and hasattr(engine, "create_tables"):
            await engine.create_tables()
        folder = journals or run_folders.journals_on_server() or profiles.state_folder() / "jobs"
        works = Worker(sessions=tenants, journals=folder)
        stopping = asyncio.create_task(_stop(works.stop))
        settings.talk.say(f"taking jobs of the queue {queue} until Ctrl-C; the journals are in {folder}.")
        try:
            await engine.work(works, concurrency=concurrency)
        finally:
            stopping.cancel()
    return DONE


def _engine(url: str, *, variable: str, queue: str) -> Any:
    """Return the engine for a URL, which may hold a password and is not shown."""
    name = ENGINES.get(url.partition("://")[0])
    if name is None:
        raise WrongUsage(
            f"the environment variable {variable} must hold the URL of an engine's server, which begins with "
            f"{', '.join(f'{scheme}://' for scheme in ENGINES)}. Nothing was started."
        )
    try:
        module = import_module(f"aiodoo.distributed.{name}")
    except ModuleNotFoundError as error:
        raise WrongUsage(
            f"this engine needs {error.name}: pip install 'aiodoo[{name}]'. Nothing was started."
        ) from None
    return module.Engine(url, queue=queue)


async def _stop(event: asyncio.Event) -> None:
    """Set an event at the first signal."""
    if (signal := stop_signal()) is not None:
        await signal.wait()
        event.set()
