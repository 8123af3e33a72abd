"""A sandbox in a process of its own, so that only the client is measured."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

SERVE = """
import asyncio, json, sys
from aiodoo.sandbox import serve_forever

def announce(box):
    print(json.dumps([box.url, box.api_key, box.client_id, box.client_secret]), flush=True)

asyncio.run(serve_forever(announce=announce, plan=None, keep_log=False, **json.loads(sys.argv[1])))
"""


@asynccontextmanager
async def sandbox_elsewhere(**settings: Any) -> AsyncIterator[list[str]]:
    """Yield the URL, API key, client id and client secret of a sandbox with these settings."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, json.dumps(settings), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101  # it is piped
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.communicate()
