"""A process that is forked has nothing of the sessions and ledgers that are in use, and is told so."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiodoo import Limits, quota
from aiodoo.clock import Clock
from aiodoo.credentials import Credentials
from aiodoo.quota import Account, Lane, Permits
from aiodoo.sandbox import Sandbox, serve

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

LIMITS = Limits(per_second=100, per_day=1000)
PROGRAM = Path(__file__).with_name("forking_program.py")


def forking(case: str, box: Sandbox, folder: Path) -> list[str]:
    """Run the program; return what its processes told."""
    credentials = {
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
        "DOO_BASE_URL": box.url,
    }
    ran = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, str(PROGRAM), case, str(folder)],
        env=os.environ | credentials,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    sys.stdout.write(ran.stdout + ran.stderr)  # so that the canary looks at it
    return ran.stdout.splitlines()


async def use(account: Account) -> None:
    """Make one request on an account."""
    (await account.acquire(Lane.FRONT, Permits(1))).answered(0.0)
    await account.close()


@pytest.mark.parametrize(
    ("case", "children"),
    [
        ("the same event loop", 2),
        ("an event loop of its own", 1),
        ("a ledger in use", 1),
        ("a file in use", 1),
        ("a run", 1),
    ],
)
def test_what_is_in_use_is_refused_in_a_forked_process(case: str, children: int, tmp_path: Path) -> None:
    """U12: connections, threads and locks are the parent's: the child sends nothing, hangs nowhere, and harms nobody."""
    with serve(plan=None) as box:
        first, *told, last = forking(case, box, tmp_path)
        assert (first, last) == ("parent 1" if case == "a run" else "parent 111", "parent 111")
        assert len(told) == children
        for each in told:
            assert each.startswith("child ConfigError ")
            assert "was in use when this process was forked" in each
            assert "nothing was sent" in each
        assert box.count("organizations") == (1 if case == "a run" else 2)
        assert box.count("token") == 1


@pytest.mark.parametrize(("case", "children"), [("before the first call", 2), ("after all was closed", 1)])
def test_what_is_not_in_use_may_be_forked(case: str, children: int, tmp_path: Path) -> None:
    """U12: a server that makes its session before it forks has one in each process, on one ledger."""
    with serve(plan=None) as box:
        told = forking(case, box, tmp_path)
        assert sorted(told) == ["child 111"] * children + ["parent 111"] * (3 - children)
        assert box.count("token") == 3
        ledger = quota.SQLite(tmp_path / "quota.db")
        known = Credentials.checked(
            api_key=box.api_key, client_id=box.client_id, client_secret=box.client_secret
        )
        account = ledger.open(account=known.account_name, limits=LIMITS, clock=Clock())
        asyncio.run(use(account))
        assert account.used == 6 + 1
