"""The pytest plugin in projects of three kinds: with anyio's plugin, with pytest-asyncio, and synchronous."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BODY = """
import aiodoo


async def move(doo, teams):
    operations = [
        aiodoo.Update(webhook.team_id, webhook.id, hosts={"crm.example": "new.example"})
        async for webhook in doo.webhooks.list(teams)
    ]
    return await doo.bulk.run(operations)


async def check_moving(doo_sandbox, doo_session):
    doo_sandbox.fail_next("create", after=True)
    async with doo_session as doo:
        report = await move(doo, doo_sandbox.teams)
    assert report.counts()["applied"] == 2
    doo_sandbox.assert_sent(create=2, delete=2)


async def check_waiting(doo_sandbox, doo_session):
    doo_sandbox.fail_next("list", status=429, times=5)
    async with doo_session as doo:
        assert len(await doo.webhooks.list(doo_sandbox.teams).collect()) == 2
    assert doo_sandbox.count("list", 429) == 5
"""

TESTS = {
    "anyio": """
import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.doo(webhooks_per_team=2)]


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_moving(doo_sandbox, doo_session):
    await check_moving(doo_sandbox, doo_session)


async def test_waiting(doo_sandbox, doo_session):
    await check_waiting(doo_sandbox, doo_session)
""",
    "strict": """
import pytest

pytestmark = [pytest.mark.asyncio, pytest.mark.doo(webhooks_per_team=2)]


async def test_moving(doo_sandbox, doo_session):
    await check_moving(doo_sandbox, doo_session)


async def test_waiting(doo_sandbox, doo_session):
    await check_waiting(doo_sandbox, doo_session)
""",
    "auto": """
import pytest

pytestmark = pytest.mark.doo(webhooks_per_team=2)


async def test_moving(doo_sandbox, doo_session):
    await check_moving(doo_sandbox, doo_session)


async def test_waiting(doo_sandbox, doo_session):
    await check_waiting(doo_sandbox, doo_session)
""",
    "synchronous": """
import asyncio

import pytest

pytestmark = pytest.mark.doo(webhooks_per_team=2)


def test_moving(doo_sandbox, doo_session):
    asyncio.run(check_moving(doo_sandbox, doo_session))


def test_waiting(doo_sandbox, doo_session):
    asyncio.run(check_waiting(doo_sandbox, doo_session))
""",
}

PLUGINS = {
    "anyio": ["-p", "anyio"],
    "strict": ["-p", "pytest_asyncio.plugin", "--asyncio-mode=strict"],
    "auto": ["-p", "pytest_asyncio.plugin", "--asyncio-mode=auto"],
    "synchronous": [],
}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with the plugins that are named and no others."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    scope = "asyncio_default_fixture_loop_scope = function\n" if "pytest_asyncio.plugin" in options else ""
    (folder / "pytest.ini").write_text(f"[pytest]\n{scope}")
    return subprocess.run(  # noqa: S603  # our own
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize("kind", TESTS)
def test_the_fixtures_work_under_every_kind_of_runner(kind: str, tmp_path: Path) -> None:
    """The server has a loop of its own, and the session is opened by the test, so that no loop is shared."""
    (tmp_path / "test_it.py").write_text(BODY + TESTS[kind])
    ran = run(tmp_path, "-p", "aiodoo.testing.plugin", *PLUGINS[kind], "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_a_429_costs_a_test_no_seconds(tmp_path: Path) -> None:
    """Five pauses, half a minute in all, are waited in the simulated clock."""
    (tmp_path / "test_it.py").write_text(
        BODY
        + """
import asyncio
import time


def test_waiting(doo_sandbox, doo_session, doo_clock):
    real, simulated = time.monotonic(), doo_clock.monotonic()
    doo_sandbox.add_webhook("111", {"name": "one", "hooks": []})
    doo_sandbox.add_webhook("111", {"name": "two", "hooks": []})
    asyncio.run(check_waiting(doo_sandbox, doo_session))
    waited = doo_clock.monotonic() - simulated
    assert waited > 25
    assert waited - (time.monotonic() - real) > 20
"""
    )
    ran = run(tmp_path, "-p", "aiodoo.testing.plugin", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_failed_assertion_lists_what_was_sent(tmp_path: Path) -> None:
    """So that nobody has to run the test again to see it; a misspelled kind is told."""
    (tmp_path / "test_it.py").write_text(
        """
def test_nothing(doo_sandbox):
    doo_sandbox.assert_sent(create=1)


def test_misspelled(doo_sandbox):
    doo_sandbox.assert_sent(creates=0)
"""
    )
    ran = run(tmp_path, "-p", "aiodoo.testing.plugin", "-p", "no:cacheprovider")
    assert "sent were {'create': 0}, expected {'create': 1}; all requests:" in ran.stdout
    assert "there is no request of kind creates" in ran.stdout
    assert "2 failed" in ran.stdout


def test_a_snapshot_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    """Webhooks with their ids and contents; one that does not fit changes nothing."""
    (tmp_path / "test_it.py").write_text(
        """
import pytest


@pytest.mark.doo(webhooks_per_team=3)
def test_saved(doo_sandbox):
    doo_sandbox.save("state.json")
    before = doo_sandbox.live("111")
    doo_sandbox.foreign_delete(before[0]["id"])
    doo_sandbox.foreign_edit(before[1]["id"], {"name": "edited", "hooks": []})
    doo_sandbox.load("state.json")
    after = doo_sandbox.live("111")
    assert {each["id"]: each for each in after} == {each["id"]: each for each in before}
    assert len(after) == 3


@pytest.mark.parametrize("text", [
    "{", "[]", "{}", '{"version": 1}', '{"version": 1, "teams": []}', '{"version": 1, "teams": {"111": [{}]}}',
    '{"version": 1, "teams": {"111": [{"id": 1}]}}', '{"version": 1, "teams": {"111": [{"id": "a"}, {"id": "a"}]}}',
    '{"version": 2, "teams": {"111": []}}',
])
@pytest.mark.doo(webhooks_per_team=3)
def test_no_snapshot(doo_sandbox, text, tmp_path):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match="no snapshot of version 1; nothing was changed"):
        doo_sandbox.load(tmp_path / "odd.json")
    assert len(doo_sandbox.live("111")) == 3


@pytest.mark.doo(organizations=0)
def test_another_account(doo_sandbox):
    with pytest.raises(ValueError, match="no team 111"):
        doo_sandbox.load("state.json")
"""
    )
    ran = run(tmp_path, "-p", "aiodoo.testing.plugin", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_test_file_in_the_docs_passes(tmp_path: Path) -> None:
    """It is what a reader copies, run as it is printed."""
    page = (ROOT / "docs" / "sandbox.md").read_text()
    [block] = [
        each
        for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "def test_all_are_renamed" in each
    ]
    (tmp_path / "test_it.py").write_text(block)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    ran = run(tmp_path, "-p", "aiodoo.testing.plugin", "-p", "anyio", "-p", "no:cacheprovider")
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_loading_the_plugin_imports_nothing_of_what_it_offers() -> None:
    """It is loaded by every pytest of a machine that has aiodoo installed."""
    code = (
        "import sys; import pytest; before = set(sys.modules); import aiodoo.testing.plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = re.findall(r"'([^']+)'", ran.stdout)
    assert [name for name in loaded if not name.startswith("aiodoo")] == []
    assert set(loaded) == {"aiodoo", "aiodoo.version", "aiodoo.testing", "aiodoo.testing.plugin"}


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    """Whoever has installed aiodoo needs no line of configuration."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"aiodoo": "aiodoo.testing.plugin"}
