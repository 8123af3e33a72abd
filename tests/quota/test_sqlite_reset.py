"""A damaged ledger is begun anew by a person, and the day counts as spent then."""

from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from simulated import START, SimulatedClock, simulate
from sqlite_world import simulated_ledger

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, QuotaExhausted
from aiodoo.quota import Claim, Lane, Limits, Permits, SQLite
from aiodoo.quota.hold import Hold
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.updates import Claimed

LIMITS = Limits(per_second=None, per_day=20)


async def use(path: Path, clock: SimulatedClock, requests: int, *, limits: Limits = LIMITS) -> int:
    """Send up to so many requests as a process of its own; return how many left."""
    account = simulated_ledger(path).open(account="a", limits=limits, clock=clock)
    sent = 0
    try:
        for _ in range(requests):
            (await account.acquire(Lane.FRONT, Permits(8))).answered(0.0)
            sent += 1
    except QuotaExhausted:
        pass
    finally:
        await account.close()
    return sent


def damage(path: Path) -> bytes:
    """Flip a bit of every page's middle; return what the file holds then."""
    content = bytearray(path.read_bytes())
    for middle in range(2048, len(content), 4096):
        content[middle : middle + 2048] = bytes(each ^ 1 for each in content[middle : middle + 2048])
    path.write_bytes(content)
    return bytes(content)


def test_a_new_ledger_counts_the_day_as_spent(tmp_path: Path) -> None:
    """Nothing leaves for 24 hours, then the whole day; the damaged file is kept beside it as it was."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        assert await use(path, clock, 3) == 3
        content = damage(path)
        with pytest.raises(ConfigError, match="aiodoo quota reset --ledger"):
            await use(path, clock, 1)
        reset = simulated_ledger(path).reset(clock=clock)
        assert reset.day_spent
        assert reset.aside.read_bytes() == content
        account = simulated_ledger(path).open(account="b", limits=LIMITS, clock=clock)
        with pytest.raises(QuotaExhausted) as caught:
            await account.acquire(Lane.FRONT, Permits(8))
        assert (account.used, account.left(Lane.FRONT)) == (20, 0)
        assert caught.value.resume_at is not None
        assert timedelta(hours=23.9) < caught.value.resume_at - START <= timedelta(hours=24.1)
        await account.close()
        assert await use(path, clock, 1) == 0
        await clock.sleep(86_399.0)
        assert await use(path, clock, 1) == 0
        await clock.sleep(2.0)
        assert await use(path, clock, 30) == 20

    simulate(main)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert [name[:16] for name in names] == ["quota.db", "quota.db.damaged"]


def test_a_person_may_say_that_the_day_is_free(tmp_path: Path) -> None:
    """Then the new ledger is like one that was made for the first time."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        await use(path, clock, 3)
        path.write_bytes(b"")
        assert not simulated_ledger(path).reset(day_spent=False, clock=clock).day_spent
        assert await use(path, clock, 30) == 20

    simulate(main)


def test_a_key_without_a_limit_of_the_day_goes_on(tmp_path: Path) -> None:
    """There is no day that could be spent."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        path.write_bytes(b"nonsense")
        simulated_ledger(path).reset(clock=clock)
        assert await use(path, clock, 5, limits=Limits(per_second=None, per_day=None)) == 5

    simulate(main)


def test_what_is_not_damaged_is_left_alone(tmp_path: Path) -> None:
    """A ledger that is whole, no file at all, another program's file: nothing is changed."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        with pytest.raises(ConfigError, match="no such file; nothing was changed"):
            simulated_ledger(path).reset(clock=clock)
        await use(path, clock, 3)
        content = path.read_bytes()
        with pytest.raises(ConfigError, match="it is whole; nothing was changed"):
            simulated_ledger(path).reset(clock=clock)
        assert path.read_bytes() == content
        assert await use(path, clock, 30) == 17
        (tmp_path / "linked.db").symlink_to(path)
        with pytest.raises(ConfigError, match="nothing was changed"):
            simulated_ledger(tmp_path / "linked.db").reset(clock=clock)

    simulate(main)


def test_claims_that_can_be_read_are_named(tmp_path: Path) -> None:
    """Whoever resets it hears which runs lose their claims, and where their journals are."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        account = simulated_ledger(path).open(account="a", limits=LIMITS, clock=clock)
        word = Claimed(
            run="0123456789abcdef",
            base_url="https://doo.example",
            teams=("111",),
            journal="/move.journal",
            command=None,
            who="me",
            since=clock.now(),
        )
        hold = Hold.of(word.run, await account.say(word), account)  # type: ignore[attr-defined]
        assert isinstance(hold, Hold)
        (await account.acquire(Lane.BULK, Permits(8), hold=hold)).answered(0.0)  # type: ignore[call-arg]
        await account.close()
        with pytest.raises(ConfigError, match="was not reset"):
            simulated_ledger(path).reset(clock=clock)
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE day SET crc = 0")
            database.commit()
        # The run is alive, so that nothing is changed; the process that held it lets go, and it may be reset.
        with pytest.raises(ConfigError, match="in use by the run 0123456789abcdef"):
            SQLite(path).reset(clock=clock)
        hold_of_process = account.connection.ledger._living  # type: ignore[attr-defined]
        hold_of_process.let_go(hold.run)
        (claim,) = SQLite(path).reset(clock=clock).claims
        assert isinstance(claim, Claim)
        assert (claim.run, claim.teams, claim.journal) == (word.run, ("111",), "/move.journal")

    simulate(main)


def test_a_ledger_that_a_process_uses_is_not_reset(tmp_path: Path) -> None:
    """Who has it open is named, where the system tells."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("only Linux tells who has a file open")
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        await use(path, clock, 1)
        content = damage(path)
        with path.open("rb"), pytest.raises(ConfigError, match=f"the process {os.getpid()}; end that first"):
            simulated_ledger(path).reset(clock=clock)
        assert path.read_bytes() == content
        simulated_ledger(path).reset(clock=clock)

    simulate(main)


def test_a_reset_that_was_killed_is_done_again(tmp_path: Path) -> None:
    """Between two names and a new file nothing may leave; the next reset ends it."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        await use(path, clock, 3)
        content = damage(path)
        (tmp_path / "quota.db.damaged-20260101T000000-abcd").hardlink_to(path)
        with pytest.raises(ConfigError, match="2 names"):
            await use(path, clock, 1)
        reset = simulated_ledger(path).reset(clock=clock)
        assert reset.aside.name == "quota.db.damaged-20260101T000000-abcd"
        assert reset.aside.read_bytes() == content
        assert await use(path, clock, 1) == 0

    simulate(main)


class Stopped(Clock):
    """A clock that other threads can read."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """Return its one instant."""
        return self.instant


def asides(folder: Path) -> list[Path]:
    """Return the damaged files that were put aside."""
    return list(folder.glob("quota.db.damaged-*"))


def test_two_who_reset_it_at_once(tmp_path: Path) -> None:
    """One of them does; the other one is told that it is whole, and the day is spent and one file put aside."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        await use(path, clock, 3)
        content = damage(path)
        both, stopped = threading.Barrier(2, timeout=60), Stopped(clock.now())

        def reset() -> str:
            both.wait()
            try:
                return str(SQLite(path).reset(clock=stopped).day_spent)
            except ConfigError as error:
                return str(error)

        with ThreadPoolExecutor(2) as people:
            told = sorted(each.result() for each in [people.submit(reset), people.submit(reset)])
        assert told[0] == "True"
        assert told[1].endswith("it is whole; nothing was changed"), told
        assert [name.read_bytes() for name in asides(tmp_path)] == [content]
        assert await use(path, clock, 1) == 0

    simulate(main)


def test_a_run_whose_lock_cannot_be_looked_at_is_not_taken_for_dead(tmp_path: Path) -> None:
    """That a run is dead is believed only if its file is not there, or not locked; else it is an error."""
    living = LivingOnHost(tmp_path / "quota.db")
    assert not living.alive("0123456789abcdef")
    (tmp_path / "quota.db.run-0123456789abcdef").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        living.alive("0123456789abcdef")


def test_a_key_that_the_damaged_ledger_did_not_know_is_free(tmp_path: Path) -> None:
    """Where it can still be read which keys it knew, the day of another one is its own; theirs is spent, and that is said."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        await use(path, clock, 3)
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE day SET crc = 0")
            database.commit()
        assert simulated_ledger(path).reset(clock=clock).day_spent
        account = simulated_ledger(path).open(account="a", limits=LIMITS, clock=clock)
        with pytest.raises(QuotaExhausted, match=r"was reset .*quota reset --day-is-free --ledger"):
            await account.acquire(Lane.FRONT, Permits(8))
        await account.close()
        new = simulated_ledger(path).open(account="b", limits=LIMITS, clock=clock)
        for _ in range(20):
            (await new.acquire(Lane.FRONT, Permits(8))).answered(0.0)
        with pytest.raises(QuotaExhausted) as caught:
            await new.acquire(Lane.FRONT, Permits(8))
        assert "reset" not in str(caught.value)
        await new.close()

    simulate(main)


def test_a_day_that_a_reset_has_marked_as_spent_can_be_free_again(tmp_path: Path) -> None:
    """Nothing else is forgotten: neither what was sent since, nor that a whole ledger is not put aside."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        path.write_bytes(b"nonsense")
        simulated_ledger(path).reset(clock=clock)
        assert await use(path, clock, 1) == 0
        with pytest.raises(ConfigError, match="it is whole; nothing was changed"):
            simulated_ledger(path).reset(clock=clock)
        assert not simulated_ledger(path).check_reset(day_spent=False, clock=clock)
        assert await use(path, clock, 1) == 0
        lifted = simulated_ledger(path).reset(day_spent=False, clock=clock)
        assert (lifted.aside, lifted.day_spent) == (None, False)
        assert await use(path, clock, 5) == 5
        with pytest.raises(ConfigError, match="it is whole; nothing was changed"):
            simulated_ledger(path).reset(day_spent=False, clock=clock)
        assert await use(path, clock, 30) == 15

    simulate(main)
    assert len(list(tmp_path.iterdir())) == 2, "the ledger, and the damaged one"
