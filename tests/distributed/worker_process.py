"""A worker of a host: takes jobs from an engine until it gets a SIGTERM, or is killed.

Run as `python worker_process.py JSON` with the engine's module and URL, the access to a sandbox, the ledger, the limit of a
day and the folder of the journals.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from importlib import import_module
from typing import Any

from aiodoo import Facts, Limits, Session
from aiodoo.distributed import Worker
from aiodoo.journals import PostgreSQL, Redis, SharedJournal
from aiodoo.quota import SQLite


def session(given: dict[str, Any], **options: Any) -> Session:
    """Return the session of a worker."""
    return Session(
        **given["access"],
        limits=Limits(per_second=given.get("per_second"), per_day=given.get("per_day")),
        facts=Facts(list_echoes_scope=True),
        **({} if "quota" in options else {"quota": SQLite(given["ledger"])}),
        **options,
    )


def engine_of(given: dict[str, Any]) -> Any:
    """Return the engine, which gives a killed worker's jobs to others soon."""
    return import_module(f"aiodoo.distributed.{given['engine']}").Engine(given["url"], stalled_after=1.5)


def journals(given: dict[str, Any]) -> str | SharedJournal:
    """Return the folder of the journals, or their place on the engine's server."""
    if not given.get("journals_at"):
        return str(given["journals"])
    return (Redis if given["engine"] == "streaq" else PostgreSQL)(given["journals_at"], lease=1.5)


async def main(given: dict[str, Any]) -> None:
    """Work until told to stop."""
    async with session(given) as doo, engine_of(given) as engine:
        worker = Worker(sessions=doo, journals=journals(given), options={"settle": 0.3, "stop_within": 5.0})
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop.set)
        print("ready", flush=True)  # noqa: T201
        await engine.work(worker, concurrency=2)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
