"""`await session.quota.usage()` tells the truth of the ledger, whoever has used it; over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiodoo import ConfigError, Limits, Session
from aiodoo.quota import Ledger, Memory, SQLite
from aiodoo.sandbox import Sandbox

LIMITS = Limits(per_second=200, per_day=1000, reserve=0.1)


def session(box: Sandbox, quota: Ledger | None, limits: Limits = LIMITS) -> Session:
    """Return a session on a box."""
    return Session(
        base_url=box.url,
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=limits,
        quota=quota,
    )


def test_a_fresh_process_knows_what_the_ledger_holds(tmp_path: Path) -> None:
    """Before it asks doo for anything; and what another one uses meanwhile."""

    async def main() -> None:
        path = tmp_path / "quota.db"
        async with Sandbox(organizations=1, webhooks_per_team=13, page_size=1, plan=None) as box:
            async with session(box, SQLite(path)) as before:
                await before.webhooks.list("111").collect()
            async with session(box, SQLite(path)) as fresh, session(box, SQLite(path)) as other:
                usage = await fresh.quota.usage()
                assert (usage.used, usage.left, usage.left_for_bulk) == (14, 986, 886)
                assert (usage.resume_at, usage.resume_at_for_bulk) == (None, None)
                await other.webhooks.list("111").collect()
                assert (await fresh.quota.usage()).used == box.log.total == 28

    asyncio.run(main())


def test_asking_makes_a_ledger_that_works(tmp_path: Path) -> None:
    """It may be the first thing that is done with it; of a closed session nothing is told."""

    async def main() -> None:
        async with Sandbox(organizations=1, plan=None) as box:
            async with session(box, SQLite(tmp_path / "quota.db")) as doo:
                assert (await doo.quota.usage()).used == 0
                await doo.webhooks.list("111").collect()
                assert (await doo.quota.usage()).used == 2
            with pytest.raises(ConfigError, match="this Session is closed"):
                await doo.quota.usage()

    asyncio.run(main())


class Handwritten:
    """A ledger whose accounts know nothing of `refresh`."""

    def open(self, **options: Any) -> Any:
        """Return an account that offers only what `Account` says."""
        account = Memory().open(**options)

        class Plain:
            """It hands on everything else."""

            def __getattr__(self, name: str) -> Any:
                if name == "refresh":
                    raise AttributeError(name)
                return getattr(account, name)

        return Plain()


@pytest.mark.parametrize("ledger", [None, Handwritten()], ids=["memory", "handwritten"])
def test_every_ledger_tells(ledger: Ledger | None) -> None:
    """Also one that somebody has written for himself."""

    async def main() -> None:
        async with Sandbox(organizations=1, plan=None) as box, session(box, ledger) as doo:
            await doo.webhooks.list("111").collect()
            usage = await doo.quota.usage()
            assert (usage.used, usage.left) == (2, 998)

    asyncio.run(main())


def test_without_a_limit_there_is_nothing_to_tell() -> None:
    """None, as for a key without a daily limit."""

    async def main() -> None:
        unlimited = Limits(per_second=None, per_day=None)
        async with Sandbox(organizations=1, plan=None) as box, session(box, None, unlimited) as doo:
            usage = await doo.quota.usage()
            assert (usage.used, usage.left, usage.left_for_bulk) == (None, None, None)
            assert repr(doo.quota) == "<Quota of any number a second, any number a day>"

    asyncio.run(main())


def test_what_is_shown_of_a_quota_is_short(tmp_path: Path) -> None:
    """However many requests it holds."""

    async def main() -> None:
        for ledger in (Memory(), SQLite(tmp_path / "quota.db")):
            async with (
                Sandbox(organizations=1, webhooks_per_team=30, page_size=1, plan=None) as box,
                session(box, ledger) as doo,
            ):
                await doo.webhooks.list("111").collect()
                assert repr(doo.quota) == "<Quota of 200 a second, 1000 a day>"
                for one in (ledger, doo._parts.account):
                    assert len(repr(one)) < 150, repr(one)

    asyncio.run(main())
