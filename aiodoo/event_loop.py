"""The event loop of whoever calls: asyncio's, or nothing is done."""

from __future__ import annotations

import asyncio

from aiodoo.errors import ConfigError


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that is running.

    Raises:
        ConfigError: there is none of asyncio's, as under trio or where a coroutine is driven by hand.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "aiodoo needs a running asyncio event loop, and there is none here (trio's is another kind); nothing was sent. "
            "Call it from a coroutine that asyncio.run() runs, or under trio within trio-asyncio"
        ) from None
