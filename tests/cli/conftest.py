"""The sandbox and the home that most tests of the program have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile

from aiodoo.sandbox import Sandbox, serve


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox: two teams of two webhooks."""
    with serve(organizations=2, webhooks_per_team=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox, request: pytest.FixtureRequest) -> Iterator[Home]:
    """Have a home with one profile, which is of the module's sandbox, and the module's file of desired state, if any."""
    with new_home() as home:
        home.write(profile("acme", box))
        if declared := getattr(request.module, "DECLARED", None):
            (home.folder / "doo.yaml").write_text(declared)
        yield home
