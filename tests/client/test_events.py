"""What a client tells while it works: events, the log and counters."""

from __future__ import annotations

import asyncio
import logging

import attrs
import pytest
from wired import create, delete, list_page, until, wired

from aiodoo.errors import DooError, OutcomeUnknown, QuotaExhausted
from aiodoo.events import (
    Answered,
    Event,
    RateLimitHit,
    RequestFailed,
    RequestSent,
    Retrying,
    Waited,
)
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Limits
from aiodoo.sandbox import Fault, Sandbox


async def test_a_call_without_faults() -> None:
    """The token's request and the call's own: sent and answered, with what they were for."""
    heard: list[Event] = []
    async with Sandbox(plan=None) as box, wired(box, on_event=heard.append) as client:
        await list_page(client)
    # On a busy machine even a slot that is free takes a millisecond, which is an event of its own.
    heard = [each for each in heard if not (isinstance(each, Waited) and each.what == "quota")]
    assert [(type(each), each.kind, each.team_id, each.attempt) for each in heard] == [
        (RequestSent, Kind.TOKEN, None, 1),
        (Answered, Kind.TOKEN, None, 1),
        (Waited, Kind.LIST, "111", 0),
        (RequestSent, Kind.LIST, "111", 1),
        (Answered, Kind.LIST, "111", 1),
    ]
    answered = heard[-1]
    assert isinstance(answered, Answered)
    assert answered.status == 200
    assert answered.request_id is not None
    assert answered.seconds > 0


async def test_a_call_with_faults() -> None:
    """A lost answer and a 429: what failed, why it is tried again, and that the key pauses."""
    heard: list[Event] = []
    async with Sandbox(plan=None) as box, wired(box, on_event=heard.append) as client:
        box.script(Fault("lost_after", on="list"), Fault("too_many", on="list", headers={"Retry-After": "0"}))
        await list_page(client)
    heard = [each for each in heard if each.kind is Kind.LIST and not isinstance(each, Waited)]
    assert [(type(each), each.attempt) for each in heard] == [
        (RequestSent, 1),
        (RequestFailed, 1),
        (Retrying, 1),
        (RequestSent, 2),
        (Answered, 2),
        (RateLimitHit, 2),
        (Retrying, 2),
        (RequestSent, 3),
        (Answered, 3),
    ]
    failed, retrying, limited = heard[1], heard[2], heard[5]
    assert isinstance(failed, RequestFailed)
    assert (failed.reason, failed.sent) == ("TransportError", True)
    assert isinstance(retrying, Retrying)
    assert retrying.reason == "TransportError"
    assert isinstance(limited, RateLimitHit)
    assert (limited.retry_after, limited.day_spent) == (0.0, False)


async def test_a_call_that_is_cancelled_while_it_waits_for_doo() -> None:
    """Its request ended without an answer, and is told and counted as such."""
    heard: list[Event] = []
    async with Sandbox(plan=None) as box, wired(box, on_event=heard.append) as client:
        await list_page(client)
        box.script(Fault("slow", on="list", seconds=30))
        call = asyncio.ensure_future(list_page(client))
        await until(lambda: box.count("list") == 2)
        call.cancel()
        await asyncio.wait({call})
        failed = heard[-1]
        assert isinstance(failed, RequestFailed)
        assert (failed.reason, failed.sent) == ("CancelledError", True)
        assert client._stats.failures == 1


async def test_waiting_for_the_quota_is_told() -> None:
    """A wait in the queue is an event and is added up."""
    heard: list[Event] = []
    limits = Limits(per_second=20, per_day=None)
    async with Sandbox(plan=None) as box, wired(box, on_event=heard.append, limits=limits) as client:
        await asyncio.gather(*(list_page(client) for _ in range(5)))
        waits = [each for each in heard if isinstance(each, Waited) and each.what == "quota"]
        assert waits
        assert client._stats.quota_wait == pytest.approx(sum(each.seconds for each in waits))


@pytest.mark.parametrize(
    "error", [ValueError("mine"), asyncio.CancelledError()], ids=lambda each: type(each).__name__
)
async def test_a_listener_that_raises_harms_nobody(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The calls go on, the quota stays in order, and the log says it once."""

    def listener(_: Event) -> None:
        raise error

    async with Sandbox(plan=None) as box, wired(box, on_event=listener) as client:
        await list_page(client)
        await create(client)
        assert client._permits.held == 0
    said = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert [each.name for each in said] == ["aiodoo.client"]
    assert type(error).__name__ in said[0].getMessage()


async def test_counters() -> None:
    """Requests by kind, answers by class, failures, 429s and retries add up to the sandbox's log."""
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(
            Fault("lost_before", on="list"),
            Fault("too_many", on="list", headers={"Retry-After": "0"}),
            Fault("error_acted", on="create"),
        )
        await list_page(client)
        await delete(client)
        with pytest.raises(OutcomeUnknown):
            await create(client)
        stats = client._stats
        assert stats.requests == {Kind.TOKEN: 1, Kind.LIST: 3, Kind.DELETE: 1, Kind.CREATE: 1}
        assert stats.requests.total() == len(box.log.requests)
        assert stats.answers == {"2xx": 3, "4xx": 1, "5xx": 1}
        assert (stats.failures, stats.rate_limited, stats.retries) == (1, 1, 2)
        assert stats.token_requests == 1


async def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Everyday work is DEBUG, a 429 INFO, the day's end WARNING; all by the logger `aiodoo.client`."""
    caplog.set_level(logging.DEBUG, "aiodoo")
    async with Sandbox(plan=None) as box, wired(box) as client:
        await list_page(client)
        box.script(
            Fault("too_many", on="list", headers={"Retry-After": "0"}),
            Fault("too_many", on="list", body=b'{"message": "Limit Exceeded"}'),
        )
        with pytest.raises(QuotaExhausted):
            await list_page(client)
    said = [each for each in caplog.records if each.name.startswith("aiodoo")]
    assert {each.name for each in said} == {"aiodoo.client"}
    hits = [each.levelno for each in said if "RateLimitHit" in each.getMessage()]
    assert hits == [logging.INFO, logging.WARNING]
    assert {each.levelno for each in said if "RateLimitHit" not in each.getMessage()} == {logging.DEBUG}
    assert "Answered kind=list team_id=111 attempt=1 status=200" in caplog.text


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a listener and with the log off no event of everyday work is even made."""
    logging.getLogger("aiodoo").setLevel(logging.INFO)
    made: list[type] = []
    for kind in (RequestSent, Answered):
        monkeypatch.setattr(f"aiodoo.client.client.{kind.__name__}", lambda kind=kind, **_: made.append(kind))
    try:
        async with Sandbox(plan=None) as box, wired(box) as client:
            await list_page(client)
    finally:
        logging.getLogger("aiodoo").setLevel(logging.NOTSET)
    assert made == []


async def test_a_429_is_logged_without_debug(caplog: pytest.LogCaptureFixture) -> None:
    """A 429 reaches a log at INFO although everyday events are not made."""
    caplog.set_level(logging.INFO, "aiodoo")
    async with Sandbox(plan=None) as box, wired(box) as client:
        box.script(Fault("too_many", on="list", headers={"Retry-After": "0"}))
        await list_page(client)
    assert [each.levelname for each in caplog.records if each.name == "aiodoo.client"] == ["INFO"]


async def test_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither events nor any log at DEBUG hold the API key, the client secret or the token."""
    caplog.set_level(logging.DEBUG)
    heard: list[Event] = []
    async with Sandbox(plan=None) as box, wired(box, on_event=heard.append) as client:
        box.script(
            Fault("lost_after", on=("list", "token")),
            Fault("replaced", on="create", wire=b"SSH-2.0\r\n\r\n"),
            Fault("error_acted", on="delete", times=None),
        )
        for operation in (list_page, create, delete):
            try:
                await operation(client)  # type: ignore[arg-type]
            except DooError as error:
                caplog.handler.records.append(logging.LogRecord("error", 40, "", 0, repr(error), None, None))
        assert client._tokens.current is not None
        known = [box.api_key, box.client_secret, client._tokens.current.reveal()]
    shown = caplog.text + repr([attrs.asdict(each) for each in heard])
    shown += repr([each.getMessage() for each in caplog.records])
    assert "RequestSent" in shown
    assert not [secret for secret in known if secret in shown]
