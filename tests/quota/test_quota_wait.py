"""How long a caller waits: pauses, and instants by which it must have its slot."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from simulated import SimulatedClock, simulate

from aiodoo.errors import DeadlineExceeded, DooError, RateLimited
from aiodoo.quota import Account, Lane, Limits, Memory, Permits

FRONT, BULK = Lane.FRONT, Lane.BULK


def open_account(clock: SimulatedClock, per_second: float | None = 1) -> Account:
    """Open an account without a daily limit."""
    return Memory().open(account="a", limits=Limits(per_second=per_second, per_day=None), clock=clock)


async def failure(
    account: Account, permits: Permits, give_up_at: float, lane: Lane = FRONT
) -> tuple[DooError, float]:
    """Return what `acquire` raised, and when."""
    with pytest.raises(DooError) as caught:
        await account.acquire(lane, permits, give_up_at=give_up_at)
    return caught.value, asyncio.get_running_loop().time()


def test_a_pause_holds_the_whole_key():
    """After a 429 nobody leaves, in no lane and no Session, until the pause is over."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, sessions = open_account(clock), [Permits(8), Permits(8)]
        slot = await account.acquire(FRONT, sessions[0])
        await asyncio.sleep(0.1)
        slot.answered(0.1, refused=True)
        account.pause(30, slot=slot)

        async def call(lane: Lane, permits: Permits) -> float:
            (await account.acquire(lane, permits)).answered(0)
            return clock.monotonic()

        return await asyncio.gather(*(call(lane, permits) for lane in Lane for permits in sessions))

    assert simulate(main) == pytest.approx([30.1, 31.1, 32.1, 33.1])


def test_a_pause_reaches_those_who_wait_already():
    """A caller that would have left in a moment waits for the end of the pause."""

    async def main(clock: SimulatedClock) -> float:
        account, permits = open_account(clock), Permits(8)
        (await account.acquire(FRONT, permits)).answered(0)
        waiting = asyncio.create_task(account.acquire(FRONT, permits))
        await asyncio.sleep(0.9)
        account.pause(10)
        await waiting
        return clock.monotonic()

    assert simulate(main) == pytest.approx(10.9)


def test_the_pauses_double_while_429s_follow_each_other():
    """Refused requests without Retry-After leave 1, 2, 4 ... s later; an answer takes that back.

    Each refusal makes a second 1.5 % longer, too, which an answer leaves as it is.
    """

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits, left = open_account(clock), Permits(8), []
        for refused in [True, True, True, False, True, True]:
            slot = await account.acquire(FRONT, permits)
            left.append(clock.monotonic())
            await asyncio.sleep(0.01)
            if refused:
                account.pause(None, slot=slot)
            slot.answered(0.01, refused=refused)
        await account.acquire(FRONT, permits)
        return [*left, clock.monotonic()]

    left = simulate(main)
    assert [b - a for a, b in itertools.pairwise(left)] == pytest.approx(
        [1.015, 2.01, 4.01, 1.045, 1.06, 2.01], abs=1e-4
    )


def test_a_wave_of_429s_is_one_pause():
    """Eight requests under way that are all refused pause the key once, and the next pause is twice as long."""

    async def main(clock: SimulatedClock) -> list[float]:
        account, permits = open_account(clock, per_second=50), Permits(8)
        ends = []
        for _ in range(2):
            slots = [await account.acquire(FRONT, permits) for _ in range(8)]
            begun = clock.monotonic()
            for slot in slots:
                await asyncio.sleep(0.01)
                account.pause(None, slot=slot)
                slot.answered(0.1, refused=True)
            (await account.acquire(FRONT, permits)).give_back()
            ends.append(clock.monotonic() - begun)
        return ends

    assert simulate(main) == pytest.approx([1.01, 2.01])


def test_a_caller_that_cannot_wait_for_a_429s_pause_hears_so_at_once():
    """A pause longer than the caller may take is RateLimited, with the seconds that are left."""

    async def main(clock: SimulatedClock) -> tuple[DooError, float]:
        account, permits = open_account(clock), Permits(8)
        account.pause(40)
        await asyncio.sleep(10)
        return await failure(account, permits, give_up_at=39.9)

    error, when = simulate(main)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(30)
    assert error.status == 429
    assert when == 10
    assert "nothing was sent" in str(error)


def test_a_caller_in_the_queue_hears_at_once_of_a_pause_that_is_too_long():
    """Who waits already is told when the pause begins; who can wait stays."""

    async def main(clock: SimulatedClock) -> tuple[list[tuple[DooError, float]], float]:
        account, permits = open_account(clock), Permits(8)
        await account.acquire(FRONT, permits)
        hasty = [asyncio.create_task(failure(account, permits, 10.0 + turn, BULK)) for turn in range(3)]
        patient = asyncio.create_task(account.acquire(BULK, permits, give_up_at=12.5))
        await asyncio.sleep(2)
        account.pause(10.5)
        failures = [await task for task in hasty]
        await patient
        return failures, clock.monotonic()

    failures, left = simulate(main)
    assert [(type(error), when) for error, when in failures] == [(RateLimited, 2)] * 3
    assert left == 12.5


def test_a_caller_that_cannot_wait_for_a_503s_pause_exceeds_its_deadline():
    """A pause that no 429 asked for is no RateLimited."""

    async def main(clock: SimulatedClock) -> tuple[DooError, float]:
        account, permits = open_account(clock), Permits(8)
        account.pause(40, refused=False)
        return await failure(account, permits, give_up_at=39)

    error, when = simulate(main)
    assert isinstance(error, DeadlineExceeded)
    assert when == 0


def test_a_caller_that_no_answer_can_help_hears_so_at_once():
    """Even if the answer came now, the slot would be free too late."""

    async def main(clock: SimulatedClock) -> tuple[DooError, float]:
        account, permits = open_account(clock), Permits(8)
        await account.acquire(FRONT, permits)
        await asyncio.sleep(0.1)
        return await failure(account, permits, give_up_at=0.95)

    error, when = simulate(main)
    assert isinstance(error, DeadlineExceeded)
    assert isinstance(error, TimeoutError)
    assert when == 0.1


@pytest.mark.parametrize("wide", [True, False])
def test_a_caller_that_hopes_in_vain_gives_up_in_time(wide: bool):  # noqa: FBT001
    """Who gets neither slot nor permit by its instant exceeds its deadline then, wherever it waits."""

    async def main(clock: SimulatedClock) -> list[tuple[DooError, float]]:
        account, permits = open_account(clock, 1 if wide else None), Permits(8 if wide else 1)
        await account.acquire(FRONT, permits)
        tasks = [asyncio.create_task(failure(account, permits, at)) for at in (3.0, 2.0, 4.5)]
        return [await task for task in tasks]

    failures = simulate(main)
    assert [when for _, when in failures] == pytest.approx([3.0, 2.0, 4.5])
    assert all(isinstance(error, DeadlineExceeded) for error, _ in failures)


def test_a_caller_gets_the_slot_of_its_last_instant():
    """A slot that is free exactly when the caller would give up is granted."""

    async def main(clock: SimulatedClock) -> float:
        account, permits = open_account(clock), Permits(8)
        (await account.acquire(FRONT, permits)).answered(0)
        await account.acquire(FRONT, permits, give_up_at=1.0)
        return clock.monotonic()

    assert simulate(main) == 1.0


def test_a_caller_whose_time_is_over_gets_nothing():
    """An instant in the past is not in time, even if a slot is free."""

    async def main(clock: SimulatedClock) -> tuple[DooError, float]:
        await asyncio.sleep(5)
        return await failure(open_account(clock), Permits(8), give_up_at=4.9)

    assert isinstance(simulate(main)[0], DeadlineExceeded)


def test_patience_begins_with_the_sending():
    """A request that said when it left, after connecting for 3 s, is waited for 5 s from then on."""

    async def main(clock: SimulatedClock) -> float:
        account, permits = open_account(clock), Permits(8)
        slot = await account.acquire(FRONT, permits)
        assert slot.sent_at == 0
        await asyncio.sleep(3)
        slot.sent()
        assert slot.sent_at == 3
        slot.lost()
        await account.acquire(FRONT, permits)
        return clock.monotonic()

    assert simulate(main) == 3 + 5 + 1


def test_a_late_timer_does_not_slow_the_pace():
    """Timers that ring half a millisecond late at 50 a second cost no request."""

    class Late(SimulatedClock):
        """Rings late, as event loops do."""

        __slots__ = ()

        async def wait(self, event, seconds: float) -> bool:
            return await super().wait(event, seconds + 0.0005)

    async def main(_: SimulatedClock) -> float:
        clock = Late()
        account, permits = open_account(clock, per_second=50), Permits(100)
        for _ in range(500):
            (await account.acquire(FRONT, permits)).answered(0)
        return clock.monotonic()

    assert simulate(main) == pytest.approx(499 / 50, abs=0.02)
