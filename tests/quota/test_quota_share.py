"""How much of the limit a second is used while work waits, and that it is never overstepped."""

from __future__ import annotations

import pytest
from quota_judge import STRICT, Way, flood, over_gcra
from simulated import SimulatedClock, simulate

from aiodoo.quota import Limits, Memory

SECONDS = {1: 1000, 10: 100, 20: 60, 50: 30}


def arrivals_of(per_second: float, way: Way, seed: int = 0) -> tuple[list[float], Limits]:
    """Return when requests reached doo while callers asked without pause."""
    limits = Limits(per_second=per_second, per_day=None)

    async def main(clock: SimulatedClock) -> list[float]:
        account = Memory().open(account="a", limits=limits, clock=clock)
        return await flood(
            account, clock, way, seconds=SECONDS[per_second], callers=3 + 2 * per_second, seed=seed
        )

    return simulate(main), limits


def share(arrivals: list[float], per_second: float) -> float:
    """Return how much of the limit was used."""
    return sum(at < SECONDS[per_second] for at in arrivals) / (SECONDS[per_second] * per_second)


@pytest.mark.parametrize("per_second", SECONDS)
@pytest.mark.parametrize(("latency", "reached"), [(0, 0.999), (0.02, 0.97), (0.1, 0.97), (0.3, 0.94)])
def test_waiting_work_uses_nearly_all_of_the_limit(per_second: int, latency: float, reached: float):
    """With 5 % jitter the limit is nearly used up, and no way of counting finds a request too many."""
    arrivals, limits = arrivals_of(per_second, Way.steady(latency))
    assert share(arrivals, per_second) >= reached
    assert [over(arrivals, limits) for over in (*STRICT, over_gcra)] == [0, 0, 0, 0]


@pytest.mark.parametrize("per_second", SECONDS)
@pytest.mark.parametrize("seed", range(2))
def test_heavy_jitter_costs_some_of_the_limit_and_never_oversteps_it(per_second: int, seed: int):
    """With round trips of 20 to 300 ms and some of seconds, three quarters are used, and never too much."""
    arrivals, limits = arrivals_of(per_second, Way.heavy(), seed)
    assert share(arrivals, per_second) >= 0.75
    assert [over(arrivals, limits) for over in STRICT] == [0, 0, 0]
    assert over_gcra(arrivals, limits) <= 0.05 * len(arrivals)


@pytest.mark.parametrize("seed", range(2))
def test_where_the_way_varies_requests_leave_further_apart(seed: int):
    """A server that lets no more than two of ten come at once finds few that come too early."""
    arrivals, limits = arrivals_of(10, Way.heavy(), seed)
    assert over_gcra(arrivals, limits) <= 0.015 * len(arrivals)


@pytest.mark.parametrize("per_second", [1, 20])
@pytest.mark.parametrize(
    "way",
    [
        Way(lambda chance: chance.uniform(0.05, 0.1)),
        Way(lambda chance: 0.05 + chance.expovariate(50)),
        Way(lambda chance: 0.01 + chance.expovariate(100)),
    ],
    ids=["even", "tail", "long tail"],
)
def test_credit_holds_for_legs_that_vary_by_themselves(per_second: int, way: Way):
    """Legs with a floor, drawn independently, give credit without a request too many."""
    arrivals, limits = arrivals_of(per_second, way)
    assert [over(arrivals, limits) for over in STRICT] == [0, 0, 0]
