"""The running asyncio event loop, or a ConfigError that explains why there is none."""

from __future__ import annotations

import asyncio

from aiodoo.errors import ConfigError


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running asyncio event loop.

    Raises:
        ConfigError: none is running, as under trio.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "aiodoo needs a running asyncio event loop, and there is none here (trio's is another kind); nothing was sent. "
            "Call it from a coroutine that asyncio.run() runs, or under trio within trio-asyncio"
        ) from None
