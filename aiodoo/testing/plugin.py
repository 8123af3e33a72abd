"""The pytest plugin: the fixtures `doo_sandbox`, `doo_session` and `doo_clock`, and the marker `doo`.

It is an entry point, so pytest loads it in every project that has aiodoo installed: it imports nothing but pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aiodoo.session import Session
    from aiodoo.testing.simulated_clock import SimulatedClock
    from aiodoo.testing.tested_sandbox import TestedSandbox


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "doo(**options): options of the sandbox that `doo_sandbox` serves, as for aiodoo.sandbox.Sandbox; "
        "by default one organization without webhooks, and no limits",
    )


@pytest.fixture
def doo_clock() -> SimulatedClock:
    """The clock of `doo_sandbox` and `doo_session`, whose waits cost no time."""
    from aiodoo.testing.simulated_clock import SimulatedClock  # noqa: PLC0415  # loaded by the first test that uses it

    return SimulatedClock()


@pytest.fixture
def doo_sandbox(request: pytest.FixtureRequest, doo_clock: SimulatedClock) -> Iterator[TestedSandbox]:
    """A sandbox that is served in a thread of its own, for tests of any kind; a new one for each test."""
    from aiodoo.sandbox.server import in_thread  # noqa: PLC0415
    from aiodoo.testing.tested_sandbox import TestedSandbox  # noqa: PLC0415

    options: dict[str, Any] = {"organizations": 1, "plan": None}
    for marker in reversed(list(request.node.iter_markers("doo"))):
        options.update(marker.kwargs)
    start = doo_clock.monotonic()
    sandbox = TestedSandbox(clock=lambda: doo_clock.monotonic() - start, **options)
    doo_clock.watch(lambda: sandbox.is_answering)
    with in_thread(sandbox):
        yield sandbox


@pytest.fixture
def doo_session(doo_sandbox: TestedSandbox, doo_clock: SimulatedClock) -> Session:
    """A session of `doo_sandbox` that is not open yet: `async with doo_session as doo`."""
    return doo_sandbox.session(clock=doo_clock)
