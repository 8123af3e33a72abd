"""When a call waits, for how long, and what it holds meanwhile; in simulated time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from simulated import START, SimulatedClock, simulate
from simulated_doo import BoxTransport
from wired import TEAM, UNLIMITED, client_of, create, delete, list_page, until

from aiodoo.client.client import Client
from aiodoo.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineExceeded,
    DooError,
    NotFound,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    ServerError,
    TransportError,
)
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane, Limits
from aiodoo.sandbox import Box, Fault, Plan

T = TypeVar("T")
SECONDLY = Limits(per_second=1, per_day=1000)


def play(
    scenario: Callable[[Client, Box, SimulatedClock], Awaitable[T]],
    *,
    limits: Limits = UNLIMITED,
    seed: int = 0,
    deadline: float | None = 120.0,
    plan: Plan | None = None,
    **box_options: Any,
) -> Box:
    """Play a scenario with one client on one box; check that nothing is held or under way at its end."""
    box = Box(plan=plan, **box_options)

    async def main(clock: SimulatedClock) -> None:
        transport = BoxTransport(box, clock)
        client = client_of(box, transport, clock=clock, limits=limits, deadline=deadline)
        await scenario(client, box, clock)
        await client.close()
        assert client._permits.held == 0
        assert transport.under_way == 0
        assert transport.closed
        assert len(asyncio.all_tasks()) == 1

    simulate(main, seed=seed)
    return box


def times(box: Box, kind: str) -> list[float]:
    """When requests of a kind arrived."""
    return [request.time for request in box.log.requests if request.kind == kind]


class TestRetries:
    """Waits between tries."""

    def test_they_grow_and_are_spread(self) -> None:
        """The second try comes within 0.5 s, the third within another second; chance spreads them."""
        firsts, seconds = set(), set()

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            box.script(Fault("error_acted", on="list", times=3))
            with pytest.raises(ServerError):
                await list_page(client)
            one, two, three = times(box, "list")
            firsts.add(two - one)
            seconds.add(three - two)

        for seed in range(40):
            play(scenario, seed=seed)
        assert all(0 <= wait <= 0.5 for wait in firsts)
        assert all(0 <= wait <= 1.0 for wait in seconds)
        assert max(firsts) > 0.3
        assert max(seconds) > 0.7
        assert len(firsts) == len(seconds) == 40

    def test_nothing_is_held_while_waiting(self) -> None:
        """With one permit, another call goes through while the first waits for its next try."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("lost_before", on="list", times=2))
            task = asyncio.create_task(list_page(client))
            await until(lambda: client._stats.retries)
            assert client._permits.held == 0
            begun = clock.monotonic()
            await create(client)
            assert clock.monotonic() == begun
            await task

        play(scenario, limits=Limits(per_second=None, per_day=None, concurrency=1))

    def test_a_wait_beyond_the_deadline_is_not_waited(self) -> None:
        """If the next try would come too late, the real error is raised at once."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("error_acted", on="list", times=None))
            begun = clock.monotonic()
            with pytest.raises(ServerError):
                await list_page(client, deadline=0.01)
            assert clock.monotonic() - begun <= 0.01

        for seed in range(10):
            play(scenario, seed=seed)

    @pytest.mark.parametrize("operation", [list_page, delete])
    def test_no_slot_before_the_deadline_raises_the_real_error(
        self, operation: Callable[[Client], Awaitable[Any]]
    ) -> None:
        """If the quota leaves no room for the next try, the call ends with what its last try ended with."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            box.script(Fault("error_acted", on=("list", "delete"), times=None))
            with pytest.raises(OutcomeUnknown if operation is delete else ServerError) as caught:
                await operation(client, deadline=15)  # type: ignore[call-arg]
            assert isinstance(getattr(caught.value, "cause", caught.value), ServerError)
            assert clock.monotonic() < 11

        play(scenario, limits=Limits(per_second=0.1, per_day=None))

    def test_each_try_takes_a_slot(self) -> None:
        """At one request a second, three tries and the token take three seconds and four of the day."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            box.script(Fault("error_not_acted", on="list", times=2))
            await list_page(client)
            assert client._account.used == len(box.log.requests) == 4

        box = play(scenario, limits=SECONDLY)
        assert [request.time for request in box.log.requests] == pytest.approx([0, 1, 2, 3], abs=0.01)


class TestRateLimits:
    """A 429 slows the whole key, once, and costs no try."""

    def test_the_servers_word_is_kept(self) -> None:
        """No request of any call arrives before Retry-After is over."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("too_many", on="list", headers={"Retry-After": "30"}))
            begun = clock.monotonic()
            calls = [asyncio.create_task(list_page(client))]
            await until(lambda: client._stats.rate_limited)
            calls += [asyncio.create_task(create(client)) for _ in range(20)]
            await asyncio.gather(*calls)
            assert clock.monotonic() >= begun + 30
            late = [request.time for request in box.log.requests[3:]]
            assert min(late) >= times(box, "list")[1] + 30
            assert len(box.log.requests) == 2 + 1 + 21

        play(scenario, latency=0.1)

    def test_who_waits_for_a_permit_waits_for_the_pause_too(self) -> None:
        """The permit that a 429 frees does not let the next call out before the pause."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("too_many", on="create", headers={"Retry-After": "30"}))
            await asyncio.gather(*(create(client) for _ in range(3)))
            refused, *others = times(box, "create")
            assert min(others) >= refused + 30
            assert box.count("create", 429) == 1

        play(scenario, limits=Limits(per_second=None, per_day=None, concurrency=1), latency=0.1)

    @pytest.mark.parametrize(
        ("header", "waits"),
        [(None, 1.0), ("7", 7.0), ("0", 0.0), ("soon", 60.0), ("-5", 60.0), ("1, 2", 60.0)],
    )
    def test_how_long(self, header: str | None, waits: float) -> None:
        """A readable Retry-After is obeyed, an unreadable one is 60 s, none is a second."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            headers = {} if header is None else {"Retry-After": header}
            box.script(Fault("too_many", on="create", headers=headers))
            await create(client)
            first, second = times(box, "create")
            assert second - first == pytest.approx(waits, abs=0.1)

        play(scenario)

    def test_they_are_no_failures_of_a_try(self) -> None:
        """Seven 429s and two errors later the third try succeeds."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            box.script(
                Fault("too_many", on="list", times=3),
                Fault("error_acted", on="list", times=1),
                Fault("too_many", on="list", times=4),
                Fault("error_acted", on="list", times=1),
            )
            await list_page(client, deadline=1000)
            assert client._stats.rate_limited == 7

        play(scenario)

    def test_ten_are_enough(self) -> None:
        """A call without a deadline ends with the tenth 429."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("too_many", on="create", times=None))
            with pytest.raises(RateLimited):
                await create(client, deadline=None)
            assert box.count("create") == 10
            assert clock.monotonic() > 1 + 2 + 4 + 8 + 16 + 32

        play(scenario)

    def test_a_pause_beyond_the_deadline_is_told_at_once(self) -> None:
        """Who cannot wait so long gets the 429 itself, with what doo asked for; later callers too."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("too_many", on="create", headers={"Retry-After": "3600"}))
            for _ in range(2):
                with pytest.raises(RateLimited) as caught:
                    await create(client)
                assert caught.value.retry_after == pytest.approx(3600, abs=1)
            assert clock.monotonic() < 1
            assert box.count("create") == 1
            await create(client, lane=Lane.BULK, deadline=None)
            assert clock.monotonic() >= 3600

        play(scenario)

    def test_a_503_with_retry_after_pauses_the_key(self) -> None:
        """The wait applies to all calls; a create is in doubt all the same and not repeated."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("error_acted", on="create", status=503, headers={"Retry-After": "20"}))
            with pytest.raises(OutcomeUnknown):
                await create(client)
            await list_page(client)
            assert times(box, "list")[1] >= times(box, "create")[0] + 20
            assert box.count("create") == 1

        play(scenario)

    @pytest.mark.parametrize("operation", [list_page, create])
    def test_the_day_is_spent(self, operation: Callable[[Client], Awaitable[Any]]) -> None:
        """Doo's "Limit Exceeded" ends this call and the next ones, for an hour, with one wire request."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("too_many", body=b'{"message": "Limit Exceeded"}', times=None))
            for _ in range(5):
                with pytest.raises(QuotaExhausted) as caught:
                    await operation(client)
                assert caught.value.resume_at is not None
                assert abs(caught.value.resume_at - START - timedelta(hours=1)) < timedelta(seconds=1)
                assert isinstance(caught.value, DooError)
            assert len(box.log.requests) == 3
            assert clock.monotonic() < 1

        play(scenario, limits=Limits(per_second=None, per_day=1000))

    def test_the_ledgers_own_day(self) -> None:
        """When the ledger's day is over nothing is sent at all."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            for _ in range(9):
                await list_page(client)
            with pytest.raises(QuotaExhausted):
                await list_page(client)
            assert len(box.log.requests) == 10

        play(scenario, limits=Limits(per_second=None, per_day=10))


class TestDeadlines:
    """Deadlines while something is waited for."""

    def test_in_the_queue(self) -> None:
        """Who does not get a slot in time has sent nothing."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            calls = [create(client, deadline=5) for _ in range(20)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            late = [each for each in ended if isinstance(each, DeadlineExceeded)]
            assert len(late) + box.count("create") == 20
            assert len(late) >= 14
            assert clock.monotonic() <= 6

        play(scenario, limits=SECONDLY)

    def test_before_the_queue(self) -> None:
        """If no slot can be free in time, that is said at once, in the quota's own words."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            begun = clock.monotonic()
            with pytest.raises(DeadlineExceeded, match="nothing was sent"):
                await create(client, deadline=0.5)
            assert clock.monotonic() == begun
            assert box.count("create") == 0

        play(scenario, limits=SECONDLY)

    def test_in_the_token(self) -> None:
        """Who waits for a token too long is told so; the token request goes on for the others."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            box.script(Fault("slow", on="token", seconds=20))
            patient = asyncio.create_task(list_page(client))
            with pytest.raises(DeadlineExceeded, match="waiting for a token"):
                await create(client, deadline=2)
            assert clock.monotonic() == pytest.approx(2)
            await patient
            assert Counter(request.kind for request in box.log.requests) == {"token": 1, "list": 1}

        play(scenario)

    def test_after_a_try_in_doubt(self) -> None:
        """A delete whose first try is in doubt stays so if there is no time for the second."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("lost_after", on="delete"))
            with pytest.raises(OutcomeUnknown) as caught:
                await delete(client, box.live(TEAM)[0]["id"], deadline=30)
            assert caught.value.sent_at == START + timedelta(seconds=40)
            assert isinstance(caught.value.cause, TransportError)
            assert clock.monotonic() < 41
            assert box.count("delete") == 1

        play(scenario, webhooks_per_team=2, limits=Limits(per_second=0.05, per_day=None))

    def test_after_a_refused_token(self) -> None:
        """A token that only expired is not the reason why there was no slot left in time."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            box.revoke_tokens()
            with pytest.raises(DeadlineExceeded, match="nothing was sent"):
                await list_page(client, deadline=25)
            assert (box.count("token"), box.count("list", 401)) == (2, 1)

        play(scenario, limits=Limits(per_second=0.1, per_day=None))

    def test_none_waits_as_long_as_it_takes(self) -> None:
        """Without a deadline a call outlives the token request's own."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            box.script(Fault("too_many", on="token", headers={"Retry-After": "1000"}))
            with pytest.raises(RateLimited):
                await list_page(client)
            await list_page(client, lane=Lane.BULK, deadline=None)
            assert clock.monotonic() >= 1000
            assert Counter(request.kind for request in box.log.requests) == {"token": 2, "list": 1}

        play(scenario)


class TestTokens:
    """One token for everybody."""

    def test_ten_thousand_callers_on_an_expired_token(self) -> None:
        """The token expires while 10,000 calls are queued: one token request, each call done once more at most."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            box.revoke_tokens()
            await asyncio.gather(*(list_page(client, deadline=None) for _ in range(10_000)))
            assert box.count("token") == 2
            assert box.count("list", 401) <= 8
            assert box.count("list", 200) == 10_001

        play(scenario, latency=0.1)

    def test_no_slot_is_held_while_the_token_is_fetched(self) -> None:
        """At one request a second the token request itself gets the next slot."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            calls = [asyncio.create_task(list_page(client)) for _ in range(20)]
            await asyncio.sleep(5.5)
            box.revoke_tokens()
            await asyncio.gather(*calls)
            assert box.count("token") == 2
            assert box.count("list", 401) == 1
            assert clock.monotonic() == pytest.approx(23, abs=1.5)

        play(scenario, limits=Limits(per_second=1, per_day=None, concurrency=2), latency=0.05)

    def test_a_token_need_not_lead_to_success_to_be_good(self) -> None:
        """A renewed token that only ever got 404s was accepted all the same: it is renewed when it expires."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            for _ in range(5):
                box.revoke_tokens()
                with pytest.raises(NotFound):
                    await client.call(requests.list_webhooks("999"), answers.read_deleted)
            assert box.count("token") == 6

        play(scenario)

    def test_only_one_operation_refuses_the_token(self) -> None:
        """While other calls prove each new token good, a call that is refused again still ends."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            async def others() -> None:
                while True:
                    await list_page(client)

            box.script(Fault("unauthorized", on="create", times=None))
            busy = [asyncio.create_task(others()) for _ in range(4)]
            with pytest.raises(AuthenticationError):
                await create(client, deadline=None)
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
            assert (box.count("create"), box.count("token")) == (2, 2)

        play(scenario, latency=lambda chance: chance.uniform(0.01, 0.1))

    def test_tokens_that_live_for_a_minute(self) -> None:
        """Every call succeeds, at the price of one 401 and one token request a minute."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            for _ in range(300):
                await list_page(client)
            assert box.count("list", 200) == 300
            assert box.count("token") == box.count("list", 401) + 1
            assert box.count("token") <= 7

        play(scenario, limits=Limits(per_second=1, per_day=None), token_lifetime=60.0)


class TestCancellation:
    """A cancelled call leaves nothing behind, whenever it is cancelled."""

    @pytest.mark.parametrize("operation", [list_page, create, delete])
    def test_at_any_instant(self, operation: Callable[[Client], Awaitable[Any]]) -> None:
        """Cancelled at 50 instants: no task, no permit, no slot stays, and the next call works."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            cancelled = 0
            for instant in range(50):
                client._tokens.current = None
                if instant % 2:
                    box.script(Fault("error_not_acted", on=("list", "create", "delete")))
                task = asyncio.create_task(operation(client))  # type: ignore[arg-type]
                await asyncio.sleep(clock.uniform(0, 3))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                cancelled += task.cancelled()
                # The token request goes on by itself.
                await asyncio.sleep(10)
                assert client._permits.held == 0
                assert len(asyncio.all_tasks()) == 1
                box._faults._entries.clear()
                begun = clock.monotonic()
                await list_page(client)
                assert clock.monotonic() - begun < 1
            assert cancelled > 25

        play(scenario, limits=Limits(per_second=1, per_day=None, concurrency=1), latency=0.3)

    def test_a_lost_slot_is_freed_by_patience(self) -> None:
        """A request cancelled on the wire may still arrive, so its slot is not used at once."""

        async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
            await list_page(client)
            await asyncio.sleep(5)
            task = asyncio.create_task(create(client))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            begun = clock.monotonic()
            await list_page(client)
            assert box.count("create") == 1
            assert 5 <= clock.monotonic() - begun <= 7

        play(scenario, limits=SECONDLY, latency=0.2)

    def test_a_scope_of_the_callers_own(self) -> None:
        """`asyncio.timeout` around a call is the caller's: it gets its own TimeoutError, not ours."""

        async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
            await list_page(client)
            box.script(Fault("slow", on="list", seconds=50))
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(3):
                    await list_page(client)
            assert not isinstance(caught.value, DooError)

        play(scenario)


def test_closing_while_a_token_is_fetched() -> None:
    """Who waits for the token is told at once, and the token request is gone when `close` returns."""

    async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
        box.script(Fault("slow", on="token", seconds=50))
        caller = asyncio.create_task(list_page(client))
        await asyncio.sleep(1)
        await client.close()
        assert asyncio.all_tasks() <= {asyncio.current_task(), caller}
        with pytest.raises(ConfigError, match="closed"):
            await caller
        assert clock.monotonic() == 1

    play(scenario)


def test_lanes() -> None:
    """A person's call does not wait behind a bulk job's queue."""

    async def scenario(client: Client, _box: Box, clock: SimulatedClock) -> None:
        await list_page(client)
        bulk = [asyncio.create_task(list_page(client, lane=Lane.BULK, deadline=None)) for _ in range(50)]
        await asyncio.sleep(10)
        begun = clock.monotonic()
        await create(client)
        assert clock.monotonic() - begun < 2.5
        await asyncio.gather(*bulk)

    play(scenario, limits=SECONDLY)


def test_within_doos_own_plan() -> None:
    """Fifty calls at once at doo's limit of one a second: no 429."""

    async def scenario(client: Client, box: Box, _: SimulatedClock) -> None:
        await asyncio.gather(*(list_page(client, deadline=None) for _ in range(50)))
        assert box.count(status=429) == 0
        assert client._stats.quota_wait > 100

    play(scenario, limits=SECONDLY, plan=Plan(counting="sliding_log"), latency=0.05)


def test_a_broken_network_costs_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try that never left gives its slot back: the next may leave at once."""

    async def scenario(client: Client, box: Box, clock: SimulatedClock) -> None:
        await list_page(client)
        real = BoxTransport.send

        async def unreachable(*_args: object) -> None:
            raise TransportError("no connection", sent=False)

        monkeypatch.setattr(BoxTransport, "send", unreachable)
        with pytest.raises(TransportError):
            await create(client)
        monkeypatch.setattr(BoxTransport, "send", real)
        assert client._account.used == len(box.log.requests) == 2
        assert clock.monotonic() < 3.6 + 4.5

    play(scenario, limits=SECONDLY)
