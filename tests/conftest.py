"""What every test shares: asyncio as the only event loop, the one aiohttp runs on."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """aiohttp runs on asyncio only, so tests do too."""
    return "asyncio"
