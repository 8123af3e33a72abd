"""What processes on one file tell each other: pauses, spent days, limits; and what the file remembers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from simulated import START, SimulatedClock, simulate
from sqlite_world import MachineClock, ledger_path, simulated_ledger

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DeadlineExceeded, QuotaExhausted, RateLimited
from aiodoo.quota import Account, Lane, Limits, Permits, SQLite
from aiodoo.quota.turns import QUIET

FRONT, BULK = Lane.FRONT, Lane.BULK
DAY = 86_400


@pytest.fixture
def path() -> Iterator[Path]:
    """Return where a ledger can be."""
    with ledger_path() as path:
        yield path


def process(path: Path, clock: Clock, **limits: float | None) -> Account:
    """Return the account as another process has it."""
    return simulated_ledger(path).open(account="a", limits=Limits(**limits), clock=clock)


async def call(account: Account, lane: Lane = FRONT, **how: float | None) -> float:
    """Do one request that is answered at once; return when it left."""
    slot = await account.acquire(lane, Permits(8), **how)
    slot.answered(0.0)
    return account.clock.monotonic()


class AlmostADayAgo(Clock):
    """The clock of a process that ran a day ago but for a minute, before the machine was started again."""

    def boot(self) -> str:
        """Return another boot than that of the tests."""
        return "almost a day ago"

    def now(self) -> datetime:
        """Return a time that is a day ago but for a minute."""
        return super().now() - timedelta(days=1, minutes=-1)


@pytest.mark.parametrize("turns", range(3))
async def test_a_reply_that_comes_to_its_task_after_a_newer_one_makes_nothing_unknown(
    turns: int, tmp_path: Path
):
    """When the day has room is known from what was sent a day ago, not guessed to be a whole day away."""
    permits, limits = Permits(8), Limits(per_second=None, per_day=6, reserve=0.0)
    path = tmp_path / "ledger"
    before = SQLite(path).open(account="a", limits=limits, clock=AlmostADayAgo())
    for _ in range(4):
        await call(before)
    await before.close(permits)
    account = SQLite(path).open(account="a", limits=limits, clock=Clock())
    held = await account.acquire(FRONT, permits)
    await account.refresh()
    older = asyncio.create_task(account.refresh())
    for _ in range(turns):
        await asyncio.sleep(0)
    held.answered(0.0)
    newer = asyncio.create_task(account.acquire(FRONT, permits))
    await asyncio.sleep(0)
    # Both replies are there before either is looked at; the task takes a turn more.
    time.sleep(0.1)  # noqa: ASYNC251  # the event loop is busy
    await asyncio.wait({older, newer})
    assert 0 < account.eta(1, FRONT) - account.clock.monotonic() <= 60
    await account.close(permits)


def test_a_pause_holds_every_process(path: Path):
    """After one process's 429 nobody leaves before the time is over, and nobody who cannot wait stays."""

    async def main(clock: SimulatedClock) -> None:
        one, two = process(path, clock), process(path, clock)
        slot = await one.acquire(FRONT, Permits(8))
        waiting = asyncio.create_task(call(two))
        await asyncio.sleep(0.1)
        one.pause(30, slot=slot)
        slot.answered(0.1, refused=True)
        await asyncio.sleep(0)
        with pytest.raises(RateLimited, match="nothing was sent") as caught:
            await call(two, give_up_at=20.0)
        assert caught.value.retry_after == pytest.approx(30)
        assert clock.monotonic() == pytest.approx(0.1)
        assert await waiting == pytest.approx(30.1, abs=0.001)

    simulate(main)


def test_pauses_double_whichever_process_is_refused(path: Path):
    """429s that follow each other are counted over all processes."""

    async def main(clock: SimulatedClock) -> list[float]:
        accounts = [process(path, clock, per_second=100) for _ in range(3)]
        left = []
        for account in accounts:
            slot = await account.acquire(FRONT, Permits(8))
            left.append(clock.monotonic())
            account.pause(None, slot=slot)
            slot.answered(0.0, refused=True)
            await asyncio.sleep(0.01)
        return left

    assert simulate(main) == pytest.approx([0, 1, 3], abs=0.001)


def test_a_day_is_spent_by_all_together(path: Path):
    """Requests of every process count; each hears when the day has room again."""

    async def main(clock: SimulatedClock) -> None:
        accounts = [process(path, clock, per_second=None, per_day=6, reserve=0.34) for _ in range(3)]
        for account in accounts:
            await call(account, BULK)
            await asyncio.sleep(100)
        for account in accounts:
            with pytest.raises(QuotaExhausted, match="nothing was sent") as caught:
                await call(account, BULK)
            assert (caught.value.resume_at - START).total_seconds() == pytest.approx(DAY, abs=1e-3)
        for account in accounts:
            await call(account)
        with pytest.raises(QuotaExhausted):
            await call(accounts[1])
        # Each knows what was so when it last asked.
        assert [account.used for account in accounts] == [4, 6, 6]
        assert [account.left(FRONT) for account in accounts] == [2, 0, 0]

    simulate(main)


def test_doos_word_that_the_day_is_spent_reaches_every_process(path: Path):
    """One process is told so; the others raise for an hour, and then one probe leaves over all of them."""

    async def main(clock: SimulatedClock) -> None:
        one, two, three = (process(path, clock, per_second=10) for _ in range(3))
        slot = await one.acquire(FRONT, Permits(8))
        one.day_spent()
        slot.answered(0.0, refused=True)
        assert one.resume_at(FRONT) == START + timedelta(hours=1, microseconds=1)
        await asyncio.sleep(1)
        with pytest.raises(QuotaExhausted) as caught:
            await call(two)
        assert caught.value.resume_at == START + timedelta(hours=1, microseconds=1)
        await asyncio.sleep(3600)
        probe = await two.acquire(FRONT, Permits(8))
        others = [asyncio.create_task(call(account)) for account in (one, three)]
        await asyncio.sleep(2)
        assert not any(task.done() for task in others)
        probe.answered(2.0)
        begun = clock.monotonic()
        assert all(begun <= left <= begun + 1 for left in [await task for task in others])

    simulate(main)


def test_a_new_process_goes_on_with_the_count(path: Path):
    """What was used before a restart of the program is used after it."""

    async def main(clock: SimulatedClock) -> None:
        for used in range(5):
            account = process(path, clock, per_day=5, reserve=0)
            await call(account)
            assert account.used == used + 1
            await account.close()
        with pytest.raises(QuotaExhausted):
            await call(process(path, clock, per_day=5, reserve=0))

    simulate(main)


def test_what_this_session_said_is_known_at_once(path: Path):
    """`left`, `used` and `resume_at` need no exchange to know of one's own requests and news."""

    async def main(clock: SimulatedClock) -> None:
        account = process(path, clock, per_second=None)
        assert (account.used, account.left(FRONT), account.left(BULK)) == (0, 1000, 950)
        slot = await account.acquire(FRONT, Permits(8))
        assert account.used == 1
        slot.give_back()
        assert account.used == 0
        account.day_spent()
        assert account.left(FRONT) == 0
        assert account.resume_at(BULK) is not None
        assert account.eta(1, FRONT) == 3600

    simulate(main)


def test_without_a_daily_limit_nothing_is_counted(path: Path):
    """`used` and `left` are None, and the file does not grow."""

    async def main(clock: SimulatedClock) -> None:
        account = process(path, clock, per_second=None, per_day=None)
        for _ in range(300):
            await call(account)
        assert (account.used, account.left(BULK), account.resume_at(BULK)) == (None, None, None)
        await account.close()

    simulate(main)
    assert path.stat().st_size < 30_000


def test_patience_begins_with_the_sending_for_every_process(path: Path):
    """A request that connected for 3 s holds its slot 3 s longer, though its process is killed then."""

    async def main(clock: SimulatedClock) -> float:
        slot = await process(path, clock).acquire(FRONT, Permits(8))
        await asyncio.sleep(3)
        slot.sent()
        return await call(process(path, clock))

    assert simulate(main) == pytest.approx(3 + 5 + 1, abs=0.001)


def test_eta_counts_on_the_credit_that_round_trips_have_earned(path: Path):
    """With steady round trips the next request may leave 0.9 of one sooner, until a 429 takes that away."""

    async def main(clock: SimulatedClock) -> None:
        account = process(path, clock)
        for turn, refused in enumerate([False] * 30 + [True]):
            slot = await account.acquire(FRONT, Permits(8))
            await asyncio.sleep(0.1)
            expected = 0.91 if turn >= 20 else 1.0
            assert account.eta(1, FRONT) - clock.monotonic() == pytest.approx(expected)
            slot.answered(0.1, refused=refused)
        slot = await account.acquire(FRONT, Permits(8))
        await asyncio.sleep(0.1)
        assert account.eta(1, FRONT) - clock.monotonic() == pytest.approx(1)

    simulate(main)


def test_round_trips_earn_credit_whoever_made_them(path: Path):
    """Twenty round trips of five programs, one after the other, are enough for the sixth."""

    async def main(clock: SimulatedClock) -> list[float]:
        left = []
        for _ in range(6):
            account = process(path, clock)
            for _ in range(4):
                slot = await account.acquire(FRONT, Permits(8))
                left.append(clock.monotonic())
                await asyncio.sleep(0.1)
                slot.answered(0.1)
            await account.close()
        return left

    left = simulate(main)
    gaps = [later - earlier for earlier, later in itertools.pairwise(left)]
    assert gaps == pytest.approx([1.1] * 19 + [1.01] * 4, abs=1e-4)


OTHERS = [{"per_second": 2}, {"per_day": 999}, {"per_day": None}, {"reserve": 0.1}]


@pytest.mark.parametrize("other", OTHERS)
def test_other_limits_are_refused_while_the_key_is_in_use(path: Path, other: dict[str, float | None]):
    """A process that thinks otherwise of the key's limits gets no slot, and is told both."""

    async def main(clock: SimulatedClock) -> None:
        await call(process(path, clock))
        await asyncio.sleep(QUIET - 1)
        with pytest.raises(ConfigError, match=r"other limits.*Nothing was sent"):
            await call(process(path, clock, **other))

    simulate(main)


@pytest.mark.parametrize("other", OTHERS)
def test_other_limits_are_accepted_after_a_quiet_time(path: Path, other: dict[str, float | None]):
    """Ten minutes after the last request the limits may be changed; whoever has the old ones is refused then."""

    async def main(clock: SimulatedClock) -> None:
        old = process(path, clock)
        await call(old)
        await asyncio.sleep(QUIET)
        new = process(path, clock, **other)
        await call(new)
        assert new.used == (None if other.get("per_day", 1) is None else 2)
        with pytest.raises(ConfigError, match="other limits"):
            await call(old)

    simulate(main)


def test_concurrency_is_each_sessions_own(path: Path):
    """How much a Session has under way is no limit of the key."""

    async def main(clock: SimulatedClock) -> None:
        await call(process(path, clock, concurrency=8))
        await call(process(path, clock, concurrency=2))

    simulate(main)


def test_a_closed_session_gets_no_slot(path: Path):
    """Who waits when its Session is closed hears so, as does who comes later; nothing is left in the file's queue."""

    async def main(clock: SimulatedClock) -> None:
        one, two = process(path, clock), process(path, clock)
        await call(one)
        waiting = asyncio.create_task(call(one))
        await asyncio.sleep(0.1)
        await one.close()
        await one.close()
        for late in (waiting, call(one)):
            with pytest.raises(
                ConfigError, match="this Session is closed and nothing was sent; open a new one"
            ):
                await late
        assert await call(two) == pytest.approx(1)

    simulate(main)


def test_a_session_that_never_asked_makes_no_file(path: Path):
    """Opening and closing touch nothing."""

    async def main(clock: SimulatedClock) -> None:
        await process(path, clock).close()

    simulate(main)
    assert not path.exists()


def test_who_cannot_have_a_slot_in_time_is_told_at_once(path: Path):
    """Whether it is first in the queue or behind others, and whichever process holds the slot."""

    async def main(clock: SimulatedClock) -> None:
        one, two = process(path, clock, per_second=0.1), process(path, clock, per_second=0.1)
        await call(one)
        ahead = asyncio.create_task(call(two))
        await asyncio.sleep(1)
        for account in (one, two):
            with pytest.raises(DeadlineExceeded, match="nothing was sent"):
                await call(account, give_up_at=9.9)
        assert clock.monotonic() == 1
        assert await ahead == pytest.approx(10)

    simulate(main)


HOUR, YEAR = 3600.0, 31_557_600.0


@pytest.mark.parametrize("jump", [-10 * YEAR, -DAY, -HOUR, -1.0, 1.0, HOUR, DAY, 10 * YEAR])
def test_setting_the_wall_clock_frees_nothing_and_holds_nothing(path: Path, jump: float):
    """The day ends 24 hours later by the monotonic clock, in every process, whatever the wall clock says."""

    async def main(clock: SimulatedClock) -> None:
        accounts = [process(path, clock, per_day=2, reserve=0) for _ in range(2)]
        for account in accounts:
            await call(account)
        for _ in range(2):
            clock.ahead += timedelta(seconds=jump)
            await asyncio.sleep(100)
            for account in accounts:
                with pytest.raises(QuotaExhausted) as caught:
                    await call(account)
            clock.ahead -= timedelta(seconds=jump)
        resume_at = caught.value.resume_at - timedelta(seconds=jump)
        assert resume_at == START + timedelta(days=1, microseconds=1)
        await asyncio.sleep(DAY - 202)
        with pytest.raises(QuotaExhausted):
            await call(accounts[0])
        await asyncio.sleep(1)
        assert await call(accounts[0]) == DAY

    simulate(main)


@pytest.mark.parametrize("down", [10.0, 8 * HOUR])
def test_the_day_survives_a_restart_of_the_machine(path: Path, down: float):
    """With a monotonic clock that begins anew the day goes on, the time that the machine was down included."""

    async def main(_: SimulatedClock) -> None:
        before = process(path, MachineClock(shift=5e6), per_second=10, per_day=3, reserve=0)
        for _ in range(3):
            await call(before)
        await before.close()
        await asyncio.sleep(down)
        clock = MachineClock(name="second run", shift=-down + 1)
        after = process(path, clock, per_second=10, per_day=3, reserve=0)
        with pytest.raises(QuotaExhausted) as caught:
            await call(after)
        left = (caught.value.resume_at - clock.now()).total_seconds()
        assert left == pytest.approx(DAY - down - 0.2, abs=0.001)
        await asyncio.sleep(left - 1)
        with pytest.raises(QuotaExhausted):
            await call(after)
        await asyncio.sleep(1)
        await call(after)

    simulate(main)


def test_slots_in_use_survive_a_restart_of_the_machine(path: Path):
    """A machine that is back within seconds, its clock set back, waits for what was under way."""

    async def main(_: SimulatedClock) -> None:
        await process(path, MachineClock(shift=5e6)).acquire(FRONT, Permits(8))
        await asyncio.sleep(1)
        clock = MachineClock(name="second run", shift=0)
        clock.ahead = -timedelta(days=2)
        assert await call(process(path, clock)) == pytest.approx(1 + 6, abs=0.001)

    simulate(main)


def test_processes_with_monotonic_clocks_of_their_own_share_a_day(path: Path):
    """Containers whose monotonic clocks differ are kept apart by name; what they use counts together."""

    async def main(_: SimulatedClock) -> None:
        clocks = [MachineClock(name=f"container {turn}", shift=1e6 * turn) for turn in range(3)]
        accounts = [process(path, clock, per_day=9, reserve=0) for clock in clocks]
        left = [await call(account) - account.clock._shift for account in accounts * 3]
        assert left == pytest.approx(range(9), abs=0.001)
        for account in accounts:
            with pytest.raises(QuotaExhausted):
                await call(account)

    simulate(main)


def test_the_machines_own_clock_has_one_name_for_all():
    """Asked twice, the clock names the same run of the machine."""
    assert Clock().boot() == Clock().boot()
