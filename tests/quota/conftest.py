"""One real server for all tests of ledgers and tokens that hosts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_world import Valkey, valkey


@pytest.fixture(scope="session")
def running() -> Iterator[Valkey]:
    """Run one server for all tests."""
    with valkey() as server:
        yield server


@pytest.fixture
def server(running: Valkey) -> Valkey:
    """Return the server, empty and running."""
    running.say("FLUSHALL")
    return running
