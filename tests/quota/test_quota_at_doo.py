"""Whole Sessions and their traffic, judged by when each request arrived at doo: counted by brute force at its clock."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, get_args

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models.doo_lists import FUZZ_EXAMPLES
from quota_judge import STRICT, over_gcra
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport
from sqlite_world import ledger_path, simulated_ledger

from aiodoo import AddWebhook, Create, DooError, Hook, Limits, QuotaExhausted, Session
from aiodoo.offload import InlineWorker
from aiodoo.quota import Ledger, Memory
from aiodoo.sandbox import Box, FaultRates, Plan
from aiodoo.sandbox.gateway import Counting

HOUR, DAY = 3600.0, 86_400.0
CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])


class Suspended(SimulatedClock):
    """The clocks of a machine that is suspended now and then; `slept` is what its monotonic clock did not see of it."""

    __slots__ = ("slept",)

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0.0

    def outside(self) -> float:
        """Return the time of those who do not sleep."""
        return self.monotonic() + self.slept

    def boot(self) -> str:
        """Return the run's name."""
        return "one"

    def suspend(self, seconds: float, *, stands_still: bool) -> None:
        """Let time pass in which nothing here happens; the monotonic clock stands still, or jumps when it is over."""
        if stands_still:
            self.slept += seconds
            self.ahead += timedelta(seconds=seconds)
        else:
            asyncio.get_running_loop()._jumping.now += seconds  # type: ignore[attr-defined]


def over_the_day(arrivals: Sequence[float], per_day: int) -> int:
    """Count the arrivals that find the 24 hours behind them full."""
    return sum(
        sum(at - DAY < other for other in arrivals[max(0, index - 2 * per_day) : index]) >= per_day
        for index, at in enumerate(arrivals)
    )


def session(transport: BoxTransport, ledger: Ledger, limits: Limits, **options: Any) -> Session:
    """Return a Session on the box at the transport's other end."""
    box, clock = transport.box, transport.clock
    keys = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
    simulation = {"clock": clock, "transport": transport, "worker": InlineWorker()}
    return Session(**keys, **simulation, quota=ledger, limits=limits, **options)


@contextlib.contextmanager
def ledgers(kind: str) -> Iterator[Callable[[], Ledger]]:
    """Return what makes each Session's ledger: one in memory for all, or one file, opened by each as by a process."""
    if kind == "Memory":
        memory = Memory()
        yield lambda: memory
        return
    with ledger_path() as path:
        yield lambda: simulated_ledger(path)


ASKS: dict[str, Callable[[Any], Any]] = {
    "team": lambda doo: doo.organizations.active_team(),
    "list": lambda doo: doo.webhooks.list("111", "112").collect(),
    "create": lambda doo: doo.webhooks.create("111", CONFIG),
    "delete": lambda doo: doo.webhooks.delete("12", confirm_in="111"),
    "initialize": lambda doo: doo.webhooks.initialize("events", organization_id=70_001),
    "run": lambda doo: doo.bulk.run([Create("112", CONFIG)] * 5, on_exhausted="park"),
}


@attrs.frozen
class Errand:
    """One caller: when it asks for what, in which Session and lane, and when it has waited enough."""

    at: float
    what: str
    place: int
    background: bool
    patience: float | None


@attrs.frozen
class Event:
    """What happens beside: tokens end, the wall clock is set, the machine is suspended."""

    at: float
    what: str
    seconds: float


ERRANDS = st.lists(
    st.builds(
        Errand,
        st.just(0.0) | st.floats(0, 40),
        st.sampled_from(sorted(ASKS)),
        st.integers(0, 1),
        st.booleans(),
        st.none() | st.none() | st.floats(0, 3),
    ),
    min_size=1,
    max_size=25,
)
EVENTS = st.lists(
    st.builds(
        Event,
        st.floats(0, 60),
        st.sampled_from(["tokens end", "set", "stands still", "jumps"]),
        st.sampled_from([-DAY, -HOUR, HOUR, DAY]),
    ),
    max_size=5,
)
RATES = [None, FaultRates(error_not_acted=0.1, lost_after=0.05, reset=0.05, unauthorized=0.05)]


async def do(doo: Session, errand: Errand) -> None:
    """Be one caller."""
    await asyncio.sleep(errand.at)
    lane = doo.background() if errand.background else doo
    with contextlib.suppress(DooError, TimeoutError):
        async with asyncio.timeout(errand.patience):
            await ASKS[errand.what](lane)


async def happen(transport: BoxTransport, clock: Suspended, *events: Event) -> None:
    """Let events happen one after the other; a machine that wakes stays awake for a moment."""
    for event in sorted(events, key=lambda each: each.at):
        await asyncio.sleep(max(0.1, event.at - asyncio.get_running_loop().time()))
        _happen(transport, clock, event)


def _happen(transport: BoxTransport, clock: Suspended, event: Event) -> None:
    if event.what == "tokens end":
        transport.box.revoke_tokens()
    elif event.what == "set":
        clock.ahead += timedelta(seconds=event.seconds)
    else:
        transport.arrive_while_asleep()
        clock.suspend(8 * HOUR, stands_still=event.what == "stands still")


@pytest.mark.parametrize("kind", ["Memory", "SQLite"])
@settings(max_examples=FUZZ_EXAMPLES // 5, deadline=None)
@given(
    errands=ERRANDS,
    events=EVENTS,
    counting=st.sampled_from([counting for counting in get_args(Counting) if counting != "leaky_bucket"]),
    per_second=st.sampled_from([1, 3, 20]),
    per_day=st.sampled_from([15, 40, 1000]),
    latency=st.sampled_from([0.0, 0.02, 0.3]),
    rates=st.sampled_from(RATES),
)
@example(
    errands=[Errand(at, "create", 0, False, None) for at in (*[0.0] * 8, 1.0, 3.0)],
    events=[Event(at, "jumps", 0.0) for at in (1.0, 2.0, 4.0)],
    counting="sliding_log",
    per_second=1,
    per_day=15,
    latency=0.0,
    rates=None,
)  # the machine falls asleep between a grant and its request
def test_no_traffic_oversteps_what_doo_counts(
    kind: str,
    errands: list[Errand],
    events: list[Event],
    counting: Counting,
    per_second: int,
    per_day: int,
    latency: float,
    rates: FaultRates | None,
) -> None:
    """Calls, runs, tokens, failures, cancellations, clocks that are set and machines that sleep: never one too many.

    However doo counts, it refuses nothing, and the same by brute force over all arrivals. Only what asks for exactly even
    arrivals is left out: where ways vary, nobody can send so without having been refused before.
    """
    limits = Limits(per_second=per_second, per_day=per_day)
    plan = Plan(per_second=per_second, per_day=per_day, counting=counting, per_day_counting="sliding")

    async def main(clock: Suspended, open_ledger: Callable[[], Ledger]) -> Box:
        box = Box(
            organizations=2,
            webhooks_per_team=3,
            plan=plan,
            rates=rates,
            latency=lambda chance: latency * chance.uniform(0.95, 1.05),
        )
        transport = BoxTransport(box, clock, there=clock.outside)
        async with (
            session(transport, open_ledger(), limits) as one,
            session(transport, open_ledger(), limits) as two,
        ):
            await asyncio.gather(
                happen(transport, clock, *events),
                *(do((one, two)[errand.place], errand) for errand in errands),
            )
        return box

    with ledgers(kind) as open_ledger:
        box = simulate(lambda _: main(Suspended(), open_ledger))
    arrivals = [request.time for request in box.log.requests]
    assert box.count(status=429) == 0
    assert [over(arrivals, limits) for over in (*STRICT, over_gcra)] == [0, 0, 0, 0]
    assert over_the_day(arrivals, per_day) == 0


EVENTFUL = [
    *(Event(0.0, "set", seconds) for seconds in (-DAY, -HOUR, HOUR, DAY)),
    Event(0.0, "stands still", 0.0),
    Event(0.0, "jumps", 0.0),
]


@pytest.mark.parametrize("kind", ["Memory", "SQLite"])
@pytest.mark.parametrize("event", EVENTFUL, ids=lambda event: f"{event.what} {event.seconds:g}")
def test_clocks_that_are_not_to_be_trusted(event: Event, kind: str) -> None:
    """Whether the wall clock is set or the machine sleeps for 8 hours: a second is no shorter, and the day no sooner over."""
    limits = Limits(per_second=1, per_day=30, reserve=0)
    plan = Plan(per_second=1, per_day=30, counting="sliding_log", per_day_counting="sliding")

    async def crowd(doo: Session) -> int:
        asked = (doo.organizations.active_team() for _ in range(40))
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(each) for each in ended if isinstance(each, Exception)} <= {QuotaExhausted}
        return sum(not isinstance(each, Exception) for each in ended)

    async def main(clock: Suspended, open_ledger: Callable[[], Ledger]) -> tuple[list[float], list[int]]:
        box = Box(plan=plan, latency=0.1)
        transport = BoxTransport(box, clock, there=clock.outside)
        async with session(transport, open_ledger(), limits, deadline=None) as doo:
            first = asyncio.create_task(crowd(doo))
            for pause in (10.37, 7.77):
                await asyncio.sleep(pause)
                await happen(transport, clock, event)
            served = [await first, await crowd(doo)]
            await asyncio.sleep(DAY)
            served.append(await crowd(doo))
        assert box.count(status=429) == 0
        return [request.time for request in box.log.requests], served

    with ledgers(kind) as open_ledger:
        arrivals, served = simulate(lambda _: main(Suspended(), open_ledger))
    # A request that is under way while the machine sleeps may be out of time when it wakes, and is sent again.
    assert (29 - 2 * (event.what == "jumps") <= served[0] <= 29, served[1:]) == (True, [0, 30])
    assert [over(arrivals, limits) for over in STRICT] == [0, 0, 0]
    assert over_the_day(arrivals, 30) == 0


def test_a_day_of_traffic() -> None:
    """People ask all day, while an audit and a run want more than a day holds: it is used up, and never overstepped."""
    plan = Plan(per_second=1, per_day=1000, counting="sliding_log", per_day_counting="sliding")
    lasts = 1.5 * DAY

    async def main(clock: Suspended) -> tuple[Box, int, int]:
        box = Box(organizations=20, plan=plan, latency=lambda chance: chance.uniform(0.05, 0.3))
        chance, answered = random.Random(5), []

        async def ask(doo: Session) -> None:
            with contextlib.suppress(QuotaExhausted):
                answered.append(await doo.organizations.active_team())

        async def audit(doo: Session) -> None:
            while clock.monotonic() < lasts:
                try:
                    await doo.background().webhooks.list(box.teams).collect()
                except QuotaExhausted as error:
                    await asyncio.sleep((error.resume_at - clock.now()).total_seconds())

        async with session(BoxTransport(box, clock), Memory(), Limits()) as doo:
            operations = [Create(box.teams[turn % 20], CONFIG) for turn in range(200)]
            work = [asyncio.create_task(audit(doo)), asyncio.create_task(doo.bulk.run(operations))]
            while clock.monotonic() < lasts:
                await asyncio.sleep(chance.expovariate(1 / 300))
                work.append(asyncio.create_task(ask(doo)))
                if chance.random() < 0.01:
                    box.revoke_tokens()
            _, report, *_ = await asyncio.gather(*work)
        return box, len(answered), report.counts()["applied"]

    box, answered, applied = simulate(lambda _: main(Suspended()))
    arrivals = [request.time for request in box.log.requests]
    assert applied == 200
    assert answered > 100
    assert box.count(status=429) == 0
    assert [over(arrivals, Limits()) for over in STRICT] == [0, 0, 0]
    assert over_the_day(arrivals, 1000) == 0
    assert sum(at < DAY for at in arrivals) >= 990
