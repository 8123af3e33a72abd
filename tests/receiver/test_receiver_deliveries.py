"""doo's deliveries: which handler gets them, and what doo is answered."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import anyio
import attrs
import pytest
from serving import asked, served

import aiodoo
from aiodoo.receiver import Attendee, Delivery, Event, Ignore, Order, Receiver


async def test_a_handler_that_returns_is_answered_with_200_and_one_that_raises_with_500(
    secret: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Doo sends again what was answered by anything but 200; the answer and the log show nothing of the error's text."""
    word = secret()
    receiver = Receiver(client_secrets=None)
    seen: list[object] = []

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        seen.append(delivery.data)

    @receiver.on("event_updated")
    async def updated(delivery: Delivery) -> None:
        raise ValueError(word)

    with caplog.at_level(logging.INFO, logger="aiodoo"):
        async with served(receiver) as doo:
            good = await doo.deliver("/event_created", {"id": 4711})
            bad = await doo.deliver("/event_updated", {"id": 4711})
    assert (good.status, bad.status) == (200, 500)
    for answer in (good, bad):
        assert set(await answer.json()) == {"message", "description"}
        assert word not in await answer.text()
    assert seen == [{"id": 4711}]
    assert "the handler of event_updated failed (ValueError)" in caplog.text
    assert word not in caplog.text
    assert receiver.counts == {"handled": 1, "failed": 1}


@pytest.mark.parametrize("document", [{"event": {"id": 1}}, {"data": {"event": {"id": 1}}}])
async def test_a_payload_is_the_same_with_and_without_an_envelope(document: object) -> None:
    """Whether doo wraps the answer of a query into `data` is not documented, so both are read."""
    receiver = Receiver(client_secrets=None)
    seen: list[Delivery] = []

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        seen.append(delivery)

    assert (await asked(receiver, "/event_created", json.dumps(document).encode())).status == 200
    assert seen[0].data == {"event": {"id": 1}}
    assert seen[0].payload == seen[0].data
    assert seen[0].event_id == "1"
    assert json.loads(seen[0].body) == document


@attrs.frozen
class Ticket:
    """A payload of the user's own."""

    number: int
    seats: list[str]


async def test_a_payload_is_read_as_a_class() -> None:
    """Ready-made classes read the fields that doo documents, and any class that cattrs can structure may be given."""
    receiver = Receiver(client_secrets=None)
    seen: list[object] = []
    for name, kind in (("event_created", Event), ("order_created", Order), ("attendee_pending", Attendee)):

        @receiver.on(name, payload=kind)
        async def handle(delivery: Delivery) -> None:
            seen.append(delivery.payload)

    @receiver.on("attendee_validated", payload=Ticket)
    async def validated(delivery: Delivery) -> None:
        seen.append(delivery.payload)

    for path, document in (
        ("/event_created", {"event": {"id": 7, "title": "Fair", "startDate": "2026-01-01"}}),
        ("/order_created", {"order_details": {"id": "12", "status": "active"}}),
        ("/attendee_pending", {"attendee_id": 3, "order_id": 12}),
        ("/attendee_validated", {"number": 1, "seats": ["A1"]}),
    ):
        assert (await asked(receiver, path, json.dumps(document).encode())).status == 200
    assert seen == [
        Event(id="7", title="Fair", start_date="2026-01-01"),
        Order(id="12", status="active"),
        Attendee(id="3", order_id="12"),
        Ticket(1, ["A1"]),
    ]
    assert (await asked(receiver, "/attendee_validated", b'{"number": "many"}')).status == 500
    assert len(seen) == 4


async def test_deliveries_about_other_events_are_answered_without_a_handler() -> None:
    """A configuration covers a whole organization; what is about no event that can be told is handed over."""
    receiver = Receiver(client_secrets=None, events=[4711])
    seen: list[object] = []

    @receiver.on("order_created")
    async def created(delivery: Delivery) -> None:
        seen.append(delivery.data)

    for document in ({"event_id": 4711}, {"order": {"eventId": "4711"}}, {"event": {"id": 9}}, {"id": 4}):
        assert (await asked(receiver, "/order_created", json.dumps(document).encode())).status == 200
    assert seen == [{"event_id": 4711}, {"order": {"eventId": "4711"}}, {"id": 4}]
    assert receiver.counts == {"handled": 3, "ignored": 1}


async def test_a_handler_ignores_a_delivery_by_raising_ignore() -> None:
    """Doo is told that it was received, and does not send it again."""
    receiver = Receiver(client_secrets=None)

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        raise Ignore

    assert (await asked(receiver, "/event_created")).status == 200
    assert receiver.counts == {"ignored": 1}


async def test_a_handler_that_takes_too_long_is_cancelled() -> None:
    """Doo is told to send the delivery again."""
    receiver = Receiver(client_secrets=None, handler_timeout=0.01)

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        await anyio.sleep_forever()

    assert (await asked(receiver, "/event_created")).status == 500


HOSTILE: dict[str, tuple[int, str, bytes, list[tuple[str, str]], str]] = {
    "no token": (401, "/event_created", b"{}", [], "POST"),
    "empty header": (401, "/event_created", b"{}", [("Authorization", "")], "POST"),
    "no scheme": (401, "/event_created", b"{}", [("Authorization", "TOKEN")], "POST"),
    "scheme alone": (401, "/event_created", b"{}", [("Authorization", "Bearer ")], "POST"),
    "other scheme": (401, "/event_created", b"{}", [("Authorization", "Basic TOKEN")], "POST"),
    "more behind it": (401, "/event_created", b"{}", [("Authorization", "Bearer TOKEN ")], "POST"),
    "two headers": (401, "/event_created", b"{}", [("Authorization", "Bearer TOKEN")] * 2, "POST"),
    "long header": (401, "/event_created", b"{}", [("Authorization", "Bearer " + "x" * 9000)], "POST"),
    "not ASCII": (401, "/event_created", b"{}", [("Authorization", "Bearer t\xf6ken")], "POST"),
    "surrogate": (401, "/event_created", b"{}", [("Authorization", "Bearer \udcff")], "POST"),
    "bad JSON without a token": (401, "/event_created", b"{", [], "POST"),
    "not JSON": (400, "/event_created", b"{", [("Authorization", "Bearer TOKEN")], "POST"),
    "empty": (400, "/event_created", b"", [("Authorization", "Bearer TOKEN")], "POST"),
    "not UTF-8": (400, "/event_created", b'"\xff"', [("Authorization", "Bearer TOKEN")], "POST"),
    "deep": (400, "/event_created", b"[" * 100_000, [("Authorization", "Bearer TOKEN")], "POST"),
    "too large": (413, "/event_created", b" " * 1001, [("Authorization", "Bearer TOKEN")], "POST"),
    "says it is too large": (
        413,
        "/event_created",
        b"{}",
        [("Authorization", "Bearer TOKEN"), ("Content-Length", "9" * 5000)],
        "POST",
    ),
    "GET": (405, "/event_created", b"", [("Authorization", "Bearer TOKEN")], "GET"),
    "GET without a token": (405, "/event_created", b"", [], "GET"),
    "DELETE": (405, "/token", b"", [], "DELETE"),
    "unknown path": (404, "/event_updated", b"{}", [("Authorization", "Bearer TOKEN")], "POST"),
    "path above": (404, "/../event_created", b"{}", [("Authorization", "Bearer TOKEN")], "POST"),
    "root": (404, "/", b"{}", [], "POST"),
    "NUL in the path": (404, "/event_created\0", b"{}", [], "POST"),
}


async def test_hostile_deliveries_get_one_answer_for_each_kind_of_refusal() -> None:
    """No handler is called, and the bytes of a refusal tell its kind alone."""
    receiver = Receiver(client_secrets="right", max_body=200_000)
    small = Receiver(client_secrets="right", max_body=1000)
    seen: list[object] = []
    tokens: dict[Receiver, str] = {}
    for each in (receiver, small):

        @each.on("event_created")
        async def created(delivery: Delivery) -> None:
            seen.append(delivery)

        form = b"client_id=doo&client_secret=right&grant_type=client_credentials"
        tokens[each] = json.loads((await asked(each, "/token", form)).body)["access_token"]
    kinds: dict[int, set[bytes]] = {}
    for name, (status, path, body, headers, method) in HOSTILE.items():
        asks = small if status == 413 else receiver
        real = [(key, value.replace("TOKEN", tokens[asks])) for key, value in headers]
        answer = await asked(asks, path, body, method=method, headers=real)
        assert answer.status == status, name
        kinds.setdefault(status, set()).add(answer.body + repr(answer.headers).encode())
    assert {status: len(bodies) for status, bodies in kinds.items()} == {
        401: 1,
        400: 1,
        413: 1,
        405: 1,
        404: 1,
    }
    assert seen == []
    good = [("authorization", f"Bearer {tokens[receiver]}")]
    assert (await asked(receiver, "/event_created", headers=good)).status == 200


async def test_other_headers_carry_the_token_where_the_configuration_says_so() -> None:
    """`header_format` and `header_value_format` are those of doo's object."""
    receiver = Receiver(
        client_secrets="right", header_format="Oauth-Token", header_value_format="<%ACCESS_TOKEN%>"
    )

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        """Take it."""

    form = b"client_id=doo&client_secret=right&grant_type=client_credentials"
    token = json.loads((await asked(receiver, "/token", form)).body)["access_token"]
    for value, status in ((f"<{token}>", 200), (token, 401), (f"Bearer {token}", 401)):
        assert (await asked(receiver, "/event_created", headers=[("oauth-token", value)])).status == status
    login = receiver.authentication("https://app.example")
    assert login is not None
    assert (login.header_format, login.header_value_format) == ("Oauth-Token", "<%ACCESS_TOKEN%>")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"client_secrets": []}, "client_secrets must be one or several"),
        ({"client_secrets": ["a", ""]}, "client_secrets must be one or several"),
        ({"client_secrets": 5}, "client_secrets must be one or several"),
        ({"client_secrets": "a", "token_path": "token"}, "token_path must be a path"),
        ({"client_secrets": "a", "header_value_format": "Bearer"}, "header_value_format must be"),
        ({"client_secrets": "a", "deduplicate": 0}, "deduplicate must be"),
        ({"client_secrets": "a", "workers": 0}, "workers must be"),
        ({"client_secrets": "a", "events": "4711"}, "events must be"),
        ({"client_secrets": "a", "events": 4711}, "events must be"),
        ({"client_secrets": "a", "client_id": ""}, "client_id is empty"),
        ({"client_secrets": "a", "token_lifetime": float("nan")}, "token_lifetime must be"),
        ({"client_secrets": "a", "header_format": "a b"}, "header_format must be"),
        ({"client_secrets": "a", "storage": object()}, "storage must be"),
    ],
)
def test_wrong_options_are_refused_where_they_are_given(options: dict[str, object], words: str) -> None:
    """The message names the option."""
    with pytest.raises(aiodoo.ConfigError, match=words):
        Receiver(**options)


def test_a_handler_is_an_async_function_of_one_type() -> None:
    """What cannot work is refused where it is registered."""
    receiver = Receiver(client_secrets=None)
    with pytest.raises(aiodoo.ConfigError, match="must be an async function"):
        receiver.on("event_created")(lambda _: None)
    with pytest.raises(aiodoo.ConfigError, match="belong to a query"):
        receiver.on("event_created", variables={"id": "%EVENT_ID%"})
    with pytest.raises(aiodoo.ConfigError, match="payload must be a class"):
        receiver.on("event_created", payload="Event")  # type: ignore[arg-type]
    with pytest.raises(aiodoo.ConfigError, match="query is empty"):

        @receiver.on("event_created", query=" ")
        async def empty(delivery: Delivery) -> None:
            """Never registered."""

    @receiver.on("on_event_created")
    async def created(delivery: Delivery) -> None:
        """Take it."""

    with pytest.raises(aiodoo.ConfigError, match="event_created has a handler already"):
        receiver.on("event_created")
    with pytest.raises(aiodoo.ConfigError, match="is taken already"):
        receiver.on("event_updated", path="/token")
    with pytest.raises(aiodoo.ConfigError, match="must be a path"):
        receiver.on("event_updated", path="/a/../b")
