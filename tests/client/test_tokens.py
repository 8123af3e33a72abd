"""The token's life: one request for all who wait, and none that cannot help."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from simulated import SimulatedClock, simulate

from aiodoo import Limits, Session
from aiodoo.client.token_store import MemoryTokens, TokenStore
from aiodoo.client.tokens import Tokens
from aiodoo.credentials import Credentials
from aiodoo.errors import AuthenticationError, ConfigError, DooError, InvalidRequest, ServerError
from aiodoo.sandbox import Sandbox
from aiodoo.secret import Secret


class Doo:
    """Hands out tokens, one after the other, each a second after it was asked for; or fails."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.requests = 0
        self.cancelled = 0

    async def fetch(self) -> Secret:
        """Return the next token."""
        self.requests += 1
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return Secret(f"{self.requests}-{secrets.token_hex()}")


def run(scenario: Callable[[Tokens, Doo], Awaitable[None]], *failures: Exception | None) -> Doo:
    """Play a scenario in simulated time."""
    doo = Doo(*failures)

    async def main(clock: SimulatedClock) -> None:
        await scenario(Tokens(doo.fetch, clock), doo)

    simulate(main)
    return doo


def test_ten_thousand_callers_are_one_request() -> None:
    """All who wait get the token of one request."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        got = await asyncio.gather(*(tokens.get() for _ in range(10_000)))
        assert len({token.reveal() for token in got}) == 1

    assert run(scenario).requests == 1


def test_who_is_cancelled_harms_nobody() -> None:
    """The first caller, whose call began the request, is cancelled; the others still get the token."""

    async def scenario(tokens: Tokens, doo: Doo) -> None:
        callers = [asyncio.create_task(tokens.get()) for _ in range(10)]
        await asyncio.sleep(0.5)
        for caller in callers[:5]:
            caller.cancel()
        got = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in got[:5])
        assert {each.reveal() for each in got[5:] if isinstance(each, Secret)} == {
            (await tokens.get()).reveal()
        }
        assert doo.cancelled == 0

    assert run(scenario).requests == 1


def test_even_if_all_are_cancelled_the_token_comes() -> None:
    """The request goes on without anybody waiting, and the next caller has its token."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        caller = asyncio.create_task(tokens.get())
        await asyncio.sleep(0.5)
        caller.cancel()
        await asyncio.sleep(1)
        assert tokens.current is not None
        assert await tokens.get() is tokens.current

    assert run(scenario).requests == 1


def test_a_failure_is_told_to_those_who_wait_and_forgotten() -> None:
    """Each waiter gets an error of its own; the next caller asks anew."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        got = await asyncio.gather(*(tokens.get() for _ in range(10)), return_exceptions=True)
        assert {type(each) for each in got} == {ServerError}
        assert len({id(each) for each in got}) == 10
        assert {getattr(each, "status", None) for each in got} == {503}
        assert isinstance(await tokens.get(), Secret)

    assert run(scenario, ServerError("busy", status=503)).requests == 2


def test_an_error_of_another_kind_does_not_stick_either() -> None:
    """Whatever the request ends with, nobody waits for ever."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        with pytest.raises(ZeroDivisionError):
            await tokens.get()
        await tokens.get()

    assert run(scenario, ZeroDivisionError()).requests == 2


@pytest.mark.parametrize("error", [AuthenticationError("no", status=401), InvalidRequest("no", status=400)])
def test_refused_credentials_are_remembered(error: DooError) -> None:
    """After rejected credentials no further token request is made, however often and long one asks."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        first = await asyncio.gather(*(tokens.get() for _ in range(100)), return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(10_000)
            with pytest.raises(type(error)) as caught:
                await tokens.get()
            assert caught.value is not first[0]
        assert all(isinstance(each, type(error)) for each in first)

    assert run(scenario, error).requests == 1


def test_only_the_refused_token_is_renewed() -> None:
    """Who comes with an old token learns that there is a newer one; that costs no request."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        old = await tokens.get()
        assert tokens.refused(old)
        assert tokens.current is None
        new = await tokens.get()
        tokens.accepted(new)
        for _ in range(10):
            assert tokens.refused(old)
        assert await tokens.get() is new

    assert run(scenario).requests == 2


def test_a_token_that_never_worked_is_renewed_once_an_hour() -> None:
    """If the new token is refused as well, the fault is elsewhere: no storm of token requests."""

    async def scenario(tokens: Tokens, doo: Doo) -> None:
        assert tokens.refused(await tokens.get())
        for _ in range(59):
            assert not tokens.refused(await tokens.get())
            await asyncio.sleep(60)
        assert doo.requests == 2
        await asyncio.sleep(60)
        assert tokens.refused(await tokens.get())
        tokens.accepted(await tokens.get())
        assert tokens.refused(await tokens.get())

    assert run(scenario).requests == 3


def test_a_token_refused_while_others_wake_is_fetched_anew() -> None:
    """Who wakes up after the new token was refused already waits for the next one."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        async def refuse_first() -> None:
            token = await tokens.get()
            if token.reveal().startswith("1-"):
                tokens.refused(token)

        late = asyncio.gather(refuse_first(), tokens.get())
        got = (await late)[1]
        assert got is tokens.current
        assert got.reveal().startswith("2-")

    assert run(scenario).requests == 2


def test_a_request_that_somebody_cancels_is_made_again() -> None:
    """Whoever cancels every task there is does not let callers wait for ever."""

    async def scenario(tokens: Tokens, _: Doo) -> None:
        for after in (0.0, 0.5):
            tokens.current = None
            caller = asyncio.create_task(tokens.get())
            await asyncio.sleep(after)
            (fetching,) = asyncio.all_tasks() - {caller, asyncio.current_task()}
            fetching.cancel()
            assert isinstance(await caller, Secret)

    run(scenario)


class TestClose:
    """Closing ends a request under way and lets nobody wait."""

    @pytest.mark.parametrize("after", [0.0, 0.5])
    def test_waiters_are_told(self, after: float) -> None:
        """They get a `ConfigError`, whether or not the request had begun."""

        async def scenario(tokens: Tokens, doo: Doo) -> None:
            callers = [asyncio.create_task(tokens.get()) for _ in range(3)]
            await asyncio.sleep(after)
            await tokens.close()
            got = await asyncio.gather(*callers, return_exceptions=True)
            assert {type(each) for each in got} == {ConfigError}
            assert doo.cancelled == doo.requests
            assert len(asyncio.all_tasks()) == 1
            with pytest.raises(ConfigError, match="closed"):
                await tokens.get()

        run(scenario)

    def test_it_waits_for_the_end(self) -> None:
        """A request that needs a moment to end after it was cancelled has ended when `close` returns."""
        ended: list[float] = []

        async def reluctant() -> Secret:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(2)
                ended.append(asyncio.get_running_loop().time())
            raise AssertionError

        async def main(clock: SimulatedClock) -> None:
            tokens = Tokens(reluctant, clock)
            caller = asyncio.create_task(tokens.get())
            await asyncio.sleep(1)
            await tokens.close()
            assert ended == [3]
            with pytest.raises(ConfigError):
                await caller

        simulate(main)

    def test_twice_and_without_a_request(self) -> None:
        """Closing is allowed at any time."""

        async def scenario(tokens: Tokens, _: Doo) -> None:
            await tokens.close()
            await tokens.close()

        assert run(scenario).requests == 0


def test_no_loop_is_needed_to_make_one() -> None:
    """Tokens are made outside of any event loop, and used in one."""
    doo = Doo()
    tokens = Tokens(doo.fetch, SimulatedClock())

    async def main(_: SimulatedClock) -> None:
        await tokens.get()

    simulate(main)
    assert doo.requests == 1


def test_the_name_of_an_account_does_not_tell_the_key() -> None:
    """It is the same for the same key, another for another, and shows nothing of it."""
    key = secrets.token_hex()

    def account_name(key: str, client_id: str = "one") -> str:
        return Credentials.checked(api_key=key, client_id=client_id, client_secret=key).account_name

    assert account_name(key) == account_name(key, "two")
    assert account_name(key) != account_name(key + "x")
    assert len(account_name(key)) == 32
    assert account_name(key) not in key


def with_store(box: Sandbox, store: TokenStore | None) -> Session:
    """Return a session that keeps its token there."""
    return box.session(token_store=store, limits=Limits.none())


async def test_sessions_that_share_a_store_fetch_one_token() -> None:
    """The second one takes what the first one has fetched, and both replace a refused one once."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        store = MemoryTokens()
        async with with_store(box, store) as one, with_store(box, store) as other:
            assert await one.webhooks.list("111").collect()
            assert await other.webhooks.list("111").collect()
            assert box.count("token") == 1
            box.revoke_tokens()
            assert await one.webhooks.list("111").collect()
            assert await other.webhooks.list("111").collect()
            assert box.count("token") == 2
        async with with_store(box, store) as third:
            assert await third.webhooks.list("111").collect()
            assert box.count("token") == 2


async def test_a_stale_token_in_a_store_costs_a_request_and_no_more() -> None:
    """Neither the session's own token nor the store's is taken: a new one is fetched within the same call."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        store = MemoryTokens()
        async with with_store(box, store) as one:
            assert await one.webhooks.list("111").collect()
            async with with_store(box, None) as other:
                assert await other.webhooks.list("111").collect()
            [account] = store._tokens
            await store.save(account, Secret("stale-" + secrets.token_hex()))
            box.revoke_tokens()
            assert await one.webhooks.list("111").collect()
            assert box.count("token") == 3


class FailingStore:
    """A store that cannot be reached, and whose errors speak."""

    async def load(self, account: str) -> Secret | None:
        """Fail."""
        raise OSError(account)

    async def save(self, account: str, token: Secret) -> None:
        """Fail with the token."""
        raise ValueError(account, token.reveal())

    async def discard(self, account: str, token: Secret) -> None:
        """Fail with the token."""
        raise ValueError(account, token.reveal())


async def test_a_store_that_fails_is_done_without(caplog: pytest.LogCaptureFixture) -> None:
    """The token is fetched, the log says so once for each failure, and shows no secret."""
    caplog.set_level(logging.WARNING, "aiodoo.client")
    async with Sandbox(plan=None, webhooks_per_team=1) as box, with_store(box, FailingStore()) as doo:
        assert await doo.webhooks.list("111").collect()
        assert box.count("token") == 1
    assert [record.message for record in caplog.records] == [
        "the token store failed with OSError; the session does without it",
        "the token store failed with ValueError; the session does without it",
    ]


class OrdinaryStore:
    """A store whose methods fail as soon as they are called, as those of one that is not asynchronous may."""

    def load(self, account: str) -> Any:
        """Fail."""
        raise OSError(account)

    def save(self, account: str, token: Secret) -> Any:
        """Return nothing that can be awaited."""

    def discard(self, account: str, token: Secret) -> Any:
        """Return nothing that can be awaited."""


async def test_a_store_of_another_kind_is_done_without() -> None:
    """What is no coroutine function costs the session nothing but the store."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box, with_store(box, OrdinaryStore()) as doo:
        assert await doo.webhooks.list("111").collect()
        box.revoke_tokens()
        assert await doo.webhooks.list("111").collect()
        assert box.count("token") == 2


class StoreOf(MemoryTokens):
    """A store that has been given something by somebody else."""

    def __init__(self, kept: Any) -> None:
        super().__init__()
        self.kept = kept

    async def load(self, account: str) -> Any:  # noqa: ARG002
        """Return it."""
        return self.kept


@pytest.mark.parametrize("kept", ["hush", b"hush", 5, Secret("hush\n"), Secret(""), Secret("hüsh")], ids=repr)
async def test_what_a_store_returns_in_the_place_of_a_token_is_not_sent(
    kept: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as no token: one is fetched, and the log says so and does not show it."""
    caplog.set_level(logging.WARNING, "aiodoo.client")
    async with Sandbox(plan=None, webhooks_per_team=1) as box, with_store(box, StoreOf(kept)) as doo:
        assert await doo.webhooks.list("111").collect()
        assert box.count("token") == 1
        assert box.count("list") == 1
    assert [record.message for record in caplog.records] == [
        "the token store returned something else than a token; the session does without it"
    ]


async def test_sessions_that_find_an_empty_store_at_once_each_fetch_a_token() -> None:
    """Each goes on with its own; whoever comes later takes the last one."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        store = MemoryTokens()
        async with with_store(box, store) as one, with_store(box, store) as other:
            both = await asyncio.gather(
                one.webhooks.list("111").collect(), other.webhooks.list("111").collect()
            )
            assert all(both)
            assert box.count("token") == 2
        async with with_store(box, store) as third:
            assert await third.webhooks.list("111").collect()
        assert box.count("token") == 2


@pytest.mark.parametrize("store", [5, "tokens", {}], ids=repr)
async def test_what_is_no_store_is_refused_at_once(store: Any) -> None:
    """The session is not made, so that nothing is sent."""
    async with Sandbox(plan=None) as box:
        with pytest.raises(ConfigError, match="token_store must be a token store"):
            with_store(box, store)
