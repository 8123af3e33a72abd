"""A walk over very many webhooks: each once, in memory that does not grow with them."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from unlimited_session import session

from aiodoo.walk import Walk

TEAMS, EACH = 1_200, 100
SERVE = """
import asyncio, json, sys
from aiodoo.sandbox import serve_forever

def announce(box):
    known = [box.url, box.api_key, box.client_id, box.client_secret]
    print(json.dumps(known), flush=True)

asyncio.run(serve_forever(announce=announce, plan=None, keep_log=False, **json.loads(sys.argv[1])))
"""


@asynccontextmanager
async def sandbox_elsewhere(**options: object) -> AsyncIterator[SimpleNamespace]:
    """A sandbox in a process of its own, so that its memory is not counted here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        known = json.loads(await process.stdout.readline())
        yield SimpleNamespace(
            **dict(zip(("url", "api_key", "client_id", "client_secret"), known, strict=True))
        )
    finally:
        process.terminate()
        await process.communicate()


async def take(walk: Walk, seen: bytearray, webhooks: int) -> None:
    """Take so many webhooks of a walk and mark them as seen."""
    for _ in range(webhooks):
        seen[int((await anext(walk)).id) - 1] += 1


async def peak_of(walk: Walk, seen: bytearray, webhooks: int) -> int:
    """The most bytes that taking so many webhooks holds at a time."""
    gc.collect()
    tracemalloc.start()
    try:
        await take(walk, seen, webhooks)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(300)
async def test_memory_stays_flat() -> None:
    """120,000 webhooks of 1,200 teams come once each; the second half takes no more memory than the first."""
    options = {"organizations": TEAMS, "webhooks_per_team": EACH, "webhook_ids": "counter"}
    async with sandbox_elsewhere(**options, page_size=50) as box, session(box) as doo:
        seen = bytearray(TEAMS * EACH)
        half, measured = len(seen) // 2, len(seen) // 20
        async with doo.webhooks.list([str(111 + number) for number in range(TEAMS)]) as walk:
            peaks, blocks = [], []
            for _ in range(2):
                await take(walk, seen, half - measured)
                peaks.append(await peak_of(walk, seen, measured))
                gc.collect()
                blocks.append(sys.getallocatedblocks())
            with pytest.raises(StopAsyncIteration):
                await anext(walk)
    assert seen == b"\1" * len(seen)
    assert max(peaks) < 4 << 20
    assert peaks[1] < 1.25 * peaks[0]
    assert blocks[1] - blocks[0] < 10 * TEAMS / 2, "beside the ids of finished teams nothing is kept"
