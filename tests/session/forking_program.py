"""A program that forks while it uses doo, or before; it prints what came of each process's call.

Run as `forking.py CASE FOLDER`, with credentials in the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from aiodoo import AddWebhook, Create, DooError, Hook, Limits, Session, quota

CASE, FOLDER = sys.argv[1:]
LIMITS = Limits(per_second=100, per_day=1000)
CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])


def session(ledger: quota.Ledger | None = None) -> Session:
    """Return a session of the environment's credentials."""
    return Session.from_env(quota=ledger, limits=LIMITS, deadline=10.0)


async def ask(doo: Session) -> str:
    """Make a call."""
    return (await doo.organizations.active_team()).id


async def ask_and_close(doo: Session) -> str:
    """Make a call in a session's life."""
    async with doo:
        return await ask(doo)


async def create(doo: Session, name: str) -> int:
    """Make a run with a journal."""
    report = await doo.bulk.run([Create("111", CONFIG)], journal=f"{FOLDER}/{name}")
    return report.counts()["applied"]


def tell(who: str, work: Callable[[], Any]) -> None:
    """Print what comes of some work."""
    try:
        told = work()
    except DooError as error:
        told = f"{type(error).__name__} {error}"
    sys.stdout.write(f"{who} {told}\n")
    sys.stdout.flush()


def fork(work: Callable[[], Any]) -> None:
    """Do it in a forked process, and wait for that."""
    process = os.fork()
    if process == 0:
        tell("child", work)
        os._exit(0)
    os.waitpid(process, 0)


loop = asyncio.new_event_loop()
ledger = quota.SQLite(f"{FOLDER}/quota.db")
match CASE:
    case "the same event loop":
        doo = session()
        tell("parent", lambda: loop.run_until_complete(ask(doo)))
        fork(lambda: loop.run_until_complete(ask(doo)))
        fork(lambda: loop.run_until_complete(doo.aclose()))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
    case "an event loop of its own":
        doo = session()
        tell("parent", lambda: loop.run_until_complete(ask(doo)))
        fork(lambda: asyncio.run(ask(doo)))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
    case "a ledger in use":
        doo = session(ledger)
        tell("parent", lambda: loop.run_until_complete(ask(doo)))
        fork(lambda: asyncio.run(ask_and_close(session(ledger))))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
    case "a file in use":
        doo = session(ledger)
        tell("parent", lambda: loop.run_until_complete(ask(doo)))
        fork(lambda: asyncio.run(ask_and_close(session(quota.SQLite(f"{FOLDER}/quota.db")))))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
    case "a run":
        doo = session()
        tell("parent", lambda: loop.run_until_complete(create(doo, "parent")))
        fork(lambda: loop.run_until_complete(create(doo, "child")))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
    case "after all was closed":
        tell("parent", lambda: asyncio.run(ask_and_close(session(ledger))))
        fork(lambda: asyncio.run(ask_and_close(session(ledger))))
        tell("parent", lambda: asyncio.run(ask_and_close(session(ledger))))
    case "before the first call":
        doo = session(ledger)
        fork(lambda: asyncio.run(ask_and_close(doo)))
        fork(lambda: asyncio.run(ask_and_close(doo)))
        tell("parent", lambda: loop.run_until_complete(ask_and_close(doo)))
loop.close()
