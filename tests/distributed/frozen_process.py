"""A worker that freezes after the intent and the slot of its first create, until it is told to wake.

Run as `python frozen_process.py JSON`; prints "frozen", waits for a line, and prints the state of its job at the end. With
the URL of a journal it carries out a run with that journal and with a ledger of its own, and prints what the run raises.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from worker_process import session

from aiodoo.client import admission
from aiodoo.distributed import Job, carry_out
from aiodoo.errors import DooError
from aiodoo.events import Event, Waited
from aiodoo.journals import PostgreSQL, Redis
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Memory


def say(what: str) -> None:
    """Tell the parent."""
    print(what, flush=True)  # noqa: T201


async def main(given: dict[str, Any]) -> None:
    """Carry out the job; the whole process stands still in the midst of it."""
    # The test does not wait for five seconds.
    admission.STALE_SECONDS = 0.2
    frozen = False

    def freeze(event: Event) -> None:
        nonlocal frozen
        if not frozen and isinstance(event, Waited) and event.kind is Kind.CREATE:
            frozen = True
            # Told right after the grant.
            say("frozen")
            sys.stdin.readline()

    if "journal" in given:
        journal = (Redis if given["kind"] == "valkey" else PostgreSQL)(given["journal"], lease=given["lease"])
        job = Job.from_dict(given["job"])
        async with session(given, quota=Memory(), on_event=freeze) as doo:
            try:
                await doo.bulk.run(job.read(), journal=journal / given["name"], settle=0.3)
            except DooError as error:
                say(type(error).__name__)
        return
    async with session(given, on_event=freeze) as doo:
        result = await carry_out(doo, Job.from_dict(given["job"]), journals=given["journals"], settle=0.3)
    say(result.state)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
