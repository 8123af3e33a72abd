"""What every test shares: asyncio as the only event loop, the one aiohttp runs on."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import hypothesis
import pytest
from canary import (  # noqa: F401  # pytest finds its hooks and the fixture by their names
    pytest_configure,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_unconfigure,
    secret,
)

# No test may depend on the machine's speed.
hypothesis.settings.register_profile("aiodoo", deadline=None)
hypothesis.settings.load_profile("aiodoo")

# Hundreds of processes are started, and each would compile all of aiodoo anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# Under nohup, which has it ignored, the commands that the tests start would not be stopped by a closed terminal.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Look for cycles seldom, and not among the modules and tests that stay as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Aiohttp runs on asyncio only, so tests do too."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what sessions share on a host, such as the ledger of `from_env`, out of this user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
