"""Several Sessions on one file, in simulated time: the rules hold for all of them together."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quota_judge import STRICT, ULP, Way, flood, over_gcra
from simulated import SimulatedClock, simulate
from sqlite_world import Errand, Log, do, errands, ledger_path, simulated_ledger

from aiodoo.quota import Account, Lane, Ledger, Limits, Memory, Permits
from aiodoo.quota.turns import LATE

PACES = st.sampled_from([0.5, 1, 2.5, 7, 20, 50])


def let(callers: list[Errand], limits: Limits, ledgers: list[Ledger]) -> Log:
    """Let all callers do their errands, each in a Session of its own ledger."""
    log = Log()

    async def main(clock: SimulatedClock) -> None:
        accounts = [ledger.open(account="a", limits=limits, clock=clock) for ledger in ledgers]
        permits = [Permits(4) for _ in ledgers]
        await asyncio.gather(
            *(do(accounts[call.session], clock, permits[call.session], log, call) for call in callers)
        )
        for account in accounts:
            await account.close()
        assert [session.held for session in permits] == [0] * len(permits)
        assert len(asyncio.all_tasks()) == 1

    simulate(main)
    log.arrivals.sort()
    return log


def let_share(callers: list[Errand], limits: Limits, sessions: int) -> Log:
    """Let them share a new file, as so many processes."""
    with ledger_path() as path:
        return let(callers, limits, [simulated_ledger(path) for _ in range(sessions)])


@settings(max_examples=60)
@given(PACES, st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), errands(sessions=n))))
def test_no_traffic_of_many_processes_oversteps_the_limit(
    per_second: float, traffic: tuple[int, list[Errand]]
):
    """Requests lost, refused, given back, forgotten by the killed: doo never counts too many, pauses are kept."""
    limits = Limits(per_second=per_second, per_day=None)
    log = let_share(traffic[1], limits, traffic[0])
    grants = sorted(log.grants)
    gaps = [later - earlier for earlier, later in itertools.pairwise(grants)]
    assert all(gap >= 1 / per_second - LATE - ULP for gap in gaps)
    assert not [at for at in grants for begin, end in log.pauses if begin < at < end - ULP]
    assert [over(log.arrivals, limits) for over in STRICT] == [0, 0, 0]


@settings(max_examples=60)
@given(
    PACES,
    errands(sessions=1, fates=["answered", "answered", "lost", "refused", "given back"], lanes=[Lane.FRONT]),
)
def test_a_process_alone_is_served_as_by_a_ledger_in_memory(per_second: float, callers: list[Errand]):
    """The same traffic leaves at the same instants, to a tenth of a millisecond."""
    limits = Limits(per_second=per_second, per_day=None)
    # asyncio does not say who wakes first of those who wake at the same instant.
    callers = [attrs.evolve(call, asks=call.asks + place / 1e5) for place, call in enumerate(callers)]
    grants = sorted(let_share(callers, limits, 1).grants)
    assert grants == pytest.approx(sorted(let(callers, limits, [Memory()]).grants), abs=1e-4)


def share_of(path: Path, ways: list[Way], per_second: float, seconds: float) -> tuple[float, list[float]]:
    """Let a Session on each way ask without pause; return the share of the limit used, and the Sessions' own."""
    limits = Limits(per_second=per_second, per_day=None)

    async def main(clock: SimulatedClock) -> list[list[float]]:
        accounts = [simulated_ledger(path).open(account="a", limits=limits, clock=clock) for _ in ways]
        floods = (
            flood(account, clock, way, seconds=seconds, callers=3 + turn, seed=turn)
            for turn, (account, way) in enumerate(zip(accounts, ways, strict=True))
        )
        arrivals = await asyncio.gather(*floods)
        for account in accounts:
            await account.close()
        return arrivals

    arrivals = simulate(main)
    together = sorted(at for own in arrivals for at in own)
    assert [over(together, limits) for over in (*STRICT, over_gcra)] == [0, 0, 0, 0]
    served = [sum(at < seconds for at in own) for own in arrivals]
    return sum(served) / seconds / per_second, served


@pytest.mark.parametrize(
    ("per_second", "latency", "reached"),
    [(20, 0.02, 0.97), (20, 0.3, 0.94), (1, 0.02, 0.97), (1, 0.3, 0.94)],
)
def test_eight_processes_use_nearly_all_of_the_limit_in_equal_parts(
    per_second: float, latency: float, reached: float
):
    """With 5 % jitter the limit is nearly used up, and the slowest gets as much as the fastest, give or take two."""
    with ledger_path() as path:
        share, served = share_of(path, [Way.steady(latency)] * 8, per_second, 1000 / per_second)
    assert share >= reached
    assert max(served) - min(served) <= 2


@pytest.mark.parametrize("per_second", [1, 10, 20])
def test_processes_whose_ways_differ_overstep_nothing_together(per_second: float):
    """What the long way of one earns is not taken off for another's short one."""
    with ledger_path() as path:
        share, served = share_of(path, [Way.steady(0.3), Way.steady(0.02)] * 2, per_second, 600 / per_second)
    assert share >= 0.75
    assert max(served) - min(served) <= 2


@pytest.mark.parametrize("lane", Lane)
def test_a_persons_call_goes_before_the_bulk_of_other_processes(lane: Lane):
    """While seven processes flood the key, a front call of the eighth waits two slots at most, a bulk call its turn."""

    async def main(clock: SimulatedClock) -> list[float]:
        ledger = simulated_ledger(path)
        accounts = [ledger.open(account="a", limits=Limits(per_day=None), clock=clock) for _ in range(8)]
        floods = [
            asyncio.create_task(flood(account, clock, Way.steady(0.05), seconds=300, callers=5))
            for account in accounts[1:]
        ]
        waits = []
        for turn in range(20):
            await asyncio.sleep(1.37 * (1 + turn % 3))
            asked = clock.monotonic()
            slot = await accounts[0].acquire(lane, Permits(1))
            waits.append(clock.monotonic() - asked)
            slot.answered(0.0)
        await asyncio.gather(*floods)
        return waits

    with ledger_path() as path:
        waits = simulate(main)
    if lane is Lane.FRONT:
        assert max(waits) <= 2.2
    else:
        assert 6 < max(waits) < 10


def test_a_process_whose_bulk_waits_is_not_set_back_by_its_own_front_calls():
    """Its bulk gets as many slots as another process's, while a person asks now and then."""
    served = {"with": 0, "without": 0}

    async def bulk(account: Account, clock: SimulatedClock, name: str) -> None:
        permits = Permits(8)
        while clock.monotonic() < 300:
            (await account.acquire(Lane.BULK, permits)).answered(0.0)
            served[name] += 1

    async def person(account: Account, clock: SimulatedClock) -> None:
        permits = Permits(8)
        while clock.monotonic() < 300:
            await asyncio.sleep(3)
            (await account.acquire(Lane.FRONT, permits)).answered(0.0)

    async def main(clock: SimulatedClock) -> None:
        ledger = simulated_ledger(path)
        one, two = (ledger.open(account="a", limits=Limits(per_day=None), clock=clock) for _ in range(2))
        await asyncio.gather(
            person(one, clock),
            bulk(one, clock, "with"),
            bulk(two, clock, "without"),
            bulk(two, clock, "without"),
        )

    with ledger_path() as path:
        simulate(main)
    assert served["with"] >= 0.9 * served["without"] > 80


def test_keys_do_not_wait_for_each_other():
    """Each API key has all of its own limit, in one file."""

    async def main(clock: SimulatedClock) -> list[int]:
        ledger = simulated_ledger(path)
        accounts = [
            ledger.open(account=name, limits=Limits(per_day=None), clock=clock)
            for name in ("one", "two", "time")
        ]
        arrivals = await asyncio.gather(
            *(flood(account, clock, Way.steady(0.02), seconds=50, callers=3) for account in accounts)
        )
        return [len(own) for own in arrivals]

    with ledger_path() as path:
        assert min(simulate(main)) >= 49
