"""Any traffic: bursts, lost and late answers, refusals, slots given back, callers that go away."""

from __future__ import annotations

import asyncio
import contextlib
import math

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from quota_judge import STRICT, ULP
from simulated import SimulatedClock, simulate

from aiodoo.quota import Account, Lane, Limits, Memory, Permits
from aiodoo.quota.slots import RoundTrips


@attrs.frozen
class Errand:
    """One caller: when it asks, how long the ways take, and what becomes of it."""

    asks: float
    there: float
    back: float
    fate: str
    lane: Lane = Lane.FRONT


def errands(fates: list[str], ways: st.SearchStrategy[float]) -> st.SearchStrategy[list[Errand]]:
    """Return up to 60 callers within half a minute."""
    asks = st.one_of(st.just(0.0), st.floats(0, 30))
    one = st.builds(Errand, asks, ways, ways, st.sampled_from(fates), st.sampled_from(Lane))
    return st.lists(one, min_size=1, max_size=60)


@attrs.define
class Log:
    """What happened: grants with what was asked for, arrivals, and pauses."""

    grants: list[float] = attrs.field(factory=list)
    arrivals: list[float] = attrs.field(factory=list)
    pauses: list[tuple[float, float]] = attrs.field(factory=list)


async def run(
    account: Account, clock: SimulatedClock, permits: Permits, log: Log, errand: Errand, *, measured: bool
) -> None:
    """Be one caller."""
    await asyncio.sleep(errand.asks)
    if errand.fate == "leaves the queue":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(errand.there):
                (await account.acquire(errand.lane, permits)).give_back()
        return
    slot = await account.acquire(errand.lane, permits)
    if errand.fate == "given back":
        await asyncio.sleep(errand.there / 10)
        slot.give_back()
        return
    begun = clock.monotonic()
    log.grants.append(begun)
    if errand.fate == "lost":
        asyncio.get_running_loop().call_at(begun + errand.there, log.arrivals.append, begun + errand.there)
        await asyncio.sleep(errand.there * errand.back / 5)
        slot.lost()
        return
    await asyncio.sleep(errand.there)
    log.arrivals.append(clock.monotonic())
    await asyncio.sleep(errand.back)
    refused = errand.fate == "refused"
    if refused:
        account.pause(2.5, slot=slot)
        log.pauses.append((clock.monotonic(), clock.monotonic() + 2.5))
    slot.answered(clock.monotonic() - begun if measured else None, refused=refused)


def let(callers: list[Errand], limits: Limits, *, measured: bool = False) -> Log:
    """Let all callers do their errands; check that nothing of them is left behind."""
    log = Log()

    async def main(clock: SimulatedClock) -> None:
        account = Memory().open(account="a", limits=limits, clock=clock)
        sessions = [Permits(2), Permits(100)]
        await asyncio.gather(
            *(
                run(account, clock, sessions[turn % 2], log, errand, measured=measured)
                for turn, errand in enumerate(callers)
            )
        )
        await asyncio.sleep(5)
        assert [session.held for session in sessions] == [0, 0]
        assert len(account._waiting) == 0
        assert account._waiting.watcher is None

    simulate(main)
    log.arrivals.sort()
    return log


PACES = st.sampled_from([0.5, 1, 2.5, 3, 7, 20, 50])


@settings(max_examples=100, deadline=None)
@given(
    PACES,
    errands(
        ["answered", "answered", "lost", "refused", "given back", "leaves the queue"],
        st.one_of(st.floats(0, 4.999), st.floats(0, 0.3)),
    ),
)
def test_no_traffic_oversteps_the_limit(per_second: float, callers: list[Errand]):
    """Without credit, while no way is longer than 5 s, no server counts too many, and pauses are kept."""
    limits = Limits(per_second=per_second, per_day=None)
    log = let(callers, limits)
    gaps = [later - earlier for earlier, later in zip(log.grants, log.grants[1:], strict=False)]
    assert all(gap >= 1 / per_second - ULP for gap in gaps)
    assert not [at for at in log.grants for begin, end in log.pauses if begin < at < end - ULP]
    assert [over(log.arrivals, limits) for over in STRICT] == [0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(PACES, st.floats(0, 1), st.randoms(use_true_random=False), st.integers(20, 120))
def test_credit_oversteps_nothing_while_legs_vary_by_a_twentieth(per_second, leg, chance, number):
    """However the legs of a steady way vary by up to 5 %, the credit lets no server count too many."""
    limits = Limits(per_second=per_second, per_day=None)

    def way() -> float:
        return leg * chance.choice([0.95, 1.05, chance.uniform(0.95, 1.05)])

    log = let([Errand(0, way(), way(), "answered") for _ in range(number)], limits, measured=True)
    assert [over(log.arrivals, limits) for over in STRICT] == [0, 0, 0]
    assert len(log.arrivals) == number


@settings(max_examples=100, deadline=None)
@given(
    PACES,
    st.lists(
        st.tuples(st.one_of(st.just(0.0), st.floats(0, 30)), st.floats(0, 0.4), st.booleans()), max_size=80
    ),
)
def test_each_request_leaves_at_the_first_instant_that_the_rules_allow(per_second, callers):
    """Counting the slots in use by hand gives the same instant for every grant: none is late, none early."""
    limits = Limits(per_second=per_second, per_day=None)
    log: list[tuple[float, float, float | None]] = []

    async def main(clock: SimulatedClock) -> None:
        account = Memory().open(account="a", limits=limits, clock=clock)
        permits = Permits(100)

        async def call(asks: float, trip: float, answered: bool) -> None:  # noqa: FBT001
            await asyncio.sleep(asks)
            slot = await account.acquire(Lane.FRONT, permits)
            granted = clock.monotonic()
            log.append((asks, granted, granted + trip if answered else None))
            await asyncio.sleep(trip)
            slot.answered(clock.monotonic() - granted) if answered else slot.lost()

        await asyncio.gather(*(call(*caller) for caller in callers))

    simulate(main)
    for place, (asked, granted, _) in enumerate(log):
        before = log[:place]
        earliest = asked
        ends = sorted(ends_by_hand(before, limits))
        if len(ends) >= limits.slots:
            earliest = max(earliest, ends[-limits.slots])
        allowed = apart_by_hand(before, limits, earliest) if before else [earliest]
        assert min(abs(granted - instant) for instant in allowed) < 1e-6


def apart_by_hand(
    requests: list[tuple[float, float, float | None]], limits: Limits, earliest: float
) -> list[float]:
    """Return from when a request keeps away from the last one, by what the answers until then tell.

    If an answer comes at that very instant, either may be first, so there are two.
    """
    allowed: list[float] = []
    answered = sorted((answer, answer - granted) for _, granted, answer in requests if answer is not None)
    last, lag = requests[-1][1], 0.0
    for place, (answer, _) in enumerate([*answered, (math.inf, 0.0)]):
        instant = max(earliest, last + (limits.window + lag) / limits.slots)
        if instant < answer + 1e-9:
            allowed.append(instant)
        if instant < answer - 1e-9:
            return allowed
        earliest = max(earliest, answer)
        trips = sorted(trip for _, trip in answered[: place + 1][-100:])
        varied = len(trips) >= 5 and trips[math.ceil(0.95 * len(trips)) - 1] > 2 * trips[0]
        lag = sum(trips) / len(trips) if varied and limits.slots > 1 else 0.0
    raise AssertionError


def ends_by_hand(requests: list[tuple[float, float, float | None]], limits: Limits) -> list[float]:
    """Return when each request's slot is free."""
    trips, ends = (
        RoundTrips(),
        [granted + 5 + limits.window for _, granted, answer in requests if answer is None],
    )
    answered = sorted((answer, granted) for _, granted, answer in requests if answer is not None)
    for answer, granted in answered:
        trips.add(answer - granted)
        ends.append(answer - trips.credit + limits.window)
    return ends
