"""The same user code on each ledger: in memory, in a file, and on a real server that hosts share; over real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from quota_judge import over_sliding_log
from redis_world import Valkey

from aiodoo import ConfigError, QuotaExhausted, RateLimited, Session, TeamClaimed
from aiodoo.clock import Clock
from aiodoo.operations import Update
from aiodoo.quota import Account, Lane, Ledger, Limits, Memory, Permits, Redis, SQLite
from aiodoo.quota.claims import Claim, Given
from aiodoo.quota.event_loop_claims import with_claims
from aiodoo.quota.updates import Claimed, LetGo
from aiodoo.sandbox import Sandbox

FRONT, BULK = Lane.FRONT, Lane.BULK
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Ledger]:
    """Return what gives a program its ledger, as each of several programs has it; one in memory is for one program."""
    memory = Memory()
    if request.param == "memory":
        return lambda: memory
    if request.param == "sqlite":
        return lambda: SQLite(tmp_path / "quota.db")
    server: Valkey = request.getfixturevalue("server")
    return lambda: Redis(server.url)


def two(ledger: Callable[[], Ledger], **limits: float | None) -> tuple[Account, Account]:
    """Return the account of two programs."""
    one, other = (ledger().open(account="a", limits=Limits(**limits), clock=Clock()) for _ in range(2))
    return one, other


async def call(account: Account, lane: Lane = FRONT, **how: float | None) -> float:
    """Do one request that is answered at once; return when it left."""
    slot = await account.acquire(lane, Permits(8), **how)
    left = time.monotonic()
    slot.answered(0.0)
    return left


async def close(*accounts: Account) -> None:
    """End what programs use of their ledger."""
    for account in accounts:
        await account.close()


async def test_the_rate_is_kept_by_all_together(ledger: Callable[[], Ledger]) -> None:
    """Of two programs that send as fast as they are let, neither is left out, and no window has more than the limit."""
    one, other = two(ledger, per_second=20, per_day=None)
    sent = sorted(await asyncio.gather(*(call(account, BULK) for _ in range(12) for account in (one, other))))
    assert over_sliding_log(sent, Limits(per_second=20)) == 0
    await close(one, other)


async def test_the_front_lane_goes_first(ledger: Callable[[], Ledger]) -> None:
    """A single call of one program goes before the requests of a run that wait in another, but for one."""
    one, other = two(ledger, per_second=5)
    await call(one)
    waiting = [asyncio.create_task(call(one, BULK)) for _ in range(4)]
    await asyncio.sleep(0.05)
    single = await call(other)
    ran = await asyncio.gather(*waiting)
    assert sum(at < single for at in ran) <= 1
    await close(one, other)


async def test_a_pause_holds_everybody(ledger: Callable[[], Ledger]) -> None:
    """After one program's 429 nobody leaves before the time is over, and nobody who cannot wait stays."""
    one, other = two(ledger)
    slot = await one.acquire(FRONT, Permits(8))
    one.pause(30, slot=slot)
    slot.answered(0.1, refused=True)
    await one.refresh()
    with pytest.raises(RateLimited, match="nothing was sent") as caught:
        await call(other, give_up_at=time.monotonic() + 5)
    assert 25 < caught.value.retry_after <= 30
    await close(one, other)


async def test_the_day_is_spent_by_all_together(ledger: Callable[[], Ledger]) -> None:
    """Of six requests two programs send five, and both are told when there is room again."""
    one, other = two(ledger, per_day=5, per_second=100)
    for account in (one, other, one, other, one):
        await call(account)
    for account in (one, other):
        with pytest.raises(QuotaExhausted, match="nothing was sent") as caught:
            await call(account)
        assert 80_000 < (caught.value.resume_at - datetime.now(UTC)).total_seconds() < 87_000
    await other.refresh()
    assert (other.used, other.left(FRONT)) == (5, 0)
    await close(one, other)


async def test_the_last_request_of_the_day_is_sent(ledger: Callable[[], Ledger]) -> None:
    """Of three that wait for the last one of the day, one sends it, and two are told."""
    one, other = two(ledger, per_day=2, per_second=4, reserve=0.0)
    await call(one)
    done = await asyncio.gather(*(call(other) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in done].count(QuotaExhausted) == 2
    await close(one, other)


async def test_a_cancelled_wait_costs_nothing(ledger: Callable[[], Ledger]) -> None:
    """Who is cancelled while waiting gives its place to others, and its slot back, even one that was granted ahead."""
    one, other = two(ledger, per_second=2, reserve=0.0)
    await call(one)
    waiting = asyncio.create_task(call(one))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await call(other, give_up_at=time.monotonic() + 5)
    await other.refresh()
    assert other.used == 2
    await close(one, other)


async def test_other_limits_are_refused(ledger: Callable[[], Ledger]) -> None:
    """Whoever uses the account with other limits is told so, and sends nothing."""
    program = ledger()
    one = program.open(account="a", limits=Limits(per_second=5), clock=Clock())
    await call(one)
    with pytest.raises(ConfigError, match="other limits"):
        await call(other := program.open(account="a", limits=Limits(per_second=6), clock=Clock()))
    await close(one)
    if isinstance(program, Redis | SQLite):
        await close(other)


async def test_a_run_that_is_alive_is_named_as_it_was_begun(ledger: Callable[[], Ledger]) -> None:
    """Whoever begins a run that is alive learns who began it, when, and for which teams, not what was just asked."""
    one, other = (with_claims(account) for account in two(ledger))
    begun = Claimed(
        run="r", base_url="doo", teams=("1", "2"), journal="/a", command="apply", who="ann@one", since=SINCE
    )
    assert isinstance(await one.say(begun), Given)
    later = msgspec.structs.replace(begun, teams=("2",), who="bob@two", since=SINCE + timedelta(hours=1))
    for _ in range(2):
        refused = await other.say(later)
        assert isinstance(refused, Claim)
        assert (refused.who, refused.since, refused.teams, refused.alive) == (
            "ann@one",
            SINCE,
            ("1", "2"),
            True,
        )
    await one.say(LetGo("r"))
    assert isinstance(await other.say(later), Given)
    await close(one, other)


async def test_a_campaign(ledger: Callable[[], Ledger], tmp_path: Path) -> None:
    """Two programs share a key: a run of one is not disturbed by the other, and each knows what both have used."""
    limits = Limits(per_second=20, per_day=500)

    def program(box: Sandbox) -> Session:
        return box.session(quota=ledger(), limits=limits)

    async with (
        Sandbox(organizations=1, webhooks_per_team=6, plan=None) as box,
        program(box) as one,
        program(box) as other,
    ):
        (team,) = box.teams
        updates = [Update(team, item["id"], description="moved") for item in box.live(team)]
        run = asyncio.create_task(one.bulk.run(updates, journal=tmp_path / "journal", settle=0.0))
        while not box.count("create"):  # noqa: ASYNC110  # of the sandbox, in another thread
            await asyncio.sleep(0.01)
        with pytest.raises(TeamClaimed):
            await other.bulk.run(updates, journal=tmp_path / "other", settle=0.0)
        await other.webhooks.list(team).collect()
        report = await run
        assert [outcome.status for outcome in report] == ["applied"] * 6
        assert (await one.quota.usage()).used == (await other.quota.usage()).used == box.log.total
