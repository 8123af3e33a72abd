"""What each fault does and leaves undone, and which request it befalls; without a network."""

from __future__ import annotations

import secrets
from collections import Counter
from random import Random
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_asker import Asker, asker, read

from aiodoo.sandbox import Answer, Fault, FaultRates, Plan, classic
from aiodoo.sandbox.faults import FaultKind

SECRET = secrets.token_hex()
ENTROPY = secrets.token_bytes()

CARRIED_OUT = {
    "lost_before": False,
    "lost_after": True,
    "late": False,
    "error_acted": True,
    "error_not_acted": False,
    "reset": True,
    "slow": True,
    "truncated": True,
    "too_many": False,
    "unauthorized": False,
    "replaced": True,
    "envelope_lie": True,
}


def _faulty(*faults: Fault, **options: Any) -> Asker:
    client = asker(**options)
    client.box.script(*faults)
    return client


@pytest.mark.parametrize("what", CARRIED_OUT)
def test_what_is_carried_out(what: FaultKind) -> None:
    """A fault's name says whether the create it befalls happens, and the log says what happened."""
    client = _faulty(Fault(what))
    client.create("111", classic())
    entry = client.box.log.requests[-1]
    assert len(client.box.live("111")) == CARRIED_OUT[what]
    assert (entry.fault, entry.acted) == (what, CARRIED_OUT[what])
    client.create("111", classic())
    assert client.box.log.requests[-1].fault is None


@pytest.mark.parametrize("what", ["reset", "replaced", "envelope_lie", "truncated", "slow"])
def test_what_need_not_be_carried_out(what: FaultKind) -> None:
    """Where the name leaves it open, the fault can say that nothing is carried out."""
    client = _faulty(Fault(what, acted=False))
    client.create("111", classic())
    assert client.box.live("111") == []
    assert client.box.log.requests[-1].acted is False


@pytest.mark.parametrize("stage", ["before_answer", "in_headers", "in_body", "no_answer"])
@pytest.mark.parametrize("what", ["lost_before", "lost_after", "late", "reset"])
def test_where_the_connection_breaks(what: FaultKind, stage: Any) -> None:
    """The answer says where it is dropped, and whether by a reset; the log has a status only if one was sent."""
    client = _faulty(Fault(what, stage=stage))
    answer = client.create("111", classic())
    assert (answer.drop, answer.reset) == (stage, what == "reset")
    assert (client.box.log.requests[-1].status is not None) is (stage == "in_body")


def test_no_body_to_break_in() -> None:
    """An answer without a body that should break in its body breaks in its headers."""
    assert _faulty(Fault("lost_after", stage="in_body")).delete("x").drop == "in_headers"


def test_late() -> None:
    """A late create happens when it is due, under the number of its request, and only then is it acted."""
    client = _faulty(Fault("late", after=30.0, status=504))
    client.now = 10.0
    answer = client.create("111", classic())
    assert (answer.status, read(answer)) == (504, {"message": "Endpoint request timed out"})
    entry = client.box.log.requests[-1]
    assert client.box.due == [40.0]
    client.box.advance(39.9)
    assert (client.box.live("111"), entry.acted) == ([], False)
    client.now = 50.0
    assert len(client.list("111")["_embedded"]["webhooks"]) == 1
    (change,) = client.box.log.changes
    assert (change.what, change.time, change.by, entry.acted) == ("created", 40.0, entry.number, True)
    assert client.box.due == []


def test_late_things_happen_in_the_order_of_their_times() -> None:
    """What is due first happens first, whoever asked first."""
    client = _faulty(Fault("late", after=30.0), Fault("late", after=10.0))
    client.create("111", classic("asked first"))
    client.create("111", classic("asked second"))
    client.box.advance(60.0)
    assert [webhook["name"] for webhook in client.box.live("111")] == ["asked second", "asked first"]


def test_late_delete_of_what_is_gone() -> None:
    """A late delete finds what is there when it is due."""
    client = _faulty(Fault("late", on="delete", after=5.0))
    webhook_id = read(client.create("111", classic()))["data"]
    client.delete(webhook_id)
    client.delete(webhook_id)
    client.box.advance(10.0)
    assert [change.what for change in client.box.log.changes] == ["created", "deleted"]


def test_late_but_refused() -> None:
    """A request that would have been refused does not happen later either."""
    client = _faulty(Fault("late"))
    client.create("111", {})
    assert client.box.due == []


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (
            500,
            {"response_status": 500}
            | dict.fromkeys(["developer_message", "user_message"], "Internal server error"),
        ),
        (502, {"message": "Internal server error"}),
        (503, {"message": "Service Unavailable"}),
        (504, {"message": "Endpoint request timed out"}),
        (418, {"response_status": 418} | dict.fromkeys(["developer_message", "user_message"], "Error")),
    ],
)
def test_errors(status: int, content: Any) -> None:
    """An error has doo's envelope or, from the gateway, a message alone."""
    answer = _faulty(Fault("error_acted", status=status)).create("111", classic())
    assert (answer.status, read(answer)) == (status, content)


def test_errors_in_other_words() -> None:
    """Body and headers of an error, a refusal or a 401 may be given."""
    for what, status in (("error_not_acted", 503), ("too_many", 429), ("unauthorized", 401)):
        fault = Fault(what, status=503, body=b"busy", headers={"Retry-After": "7"})
        answer = _faulty(fault).create("111", classic())
        assert (answer.status, answer.body, answer.headers["Retry-After"]) == (status, b"busy", "7")


def test_delete_ignored() -> None:
    """A delete may answer 204 and leave the webhook alone; other requests are never taken for one."""
    client = _faulty(Fault("delete_ignored"), webhooks_per_team=1)
    client.create("111", classic())
    webhook_id = client.box.live("111")[0]["id"]
    answer = client.delete(webhook_id)
    assert (answer.status, answer.body, client.box.log.requests[-1].acted) == (204, b"", False)
    assert len(client.box.live("111")) == 2
    client.delete(webhook_id)
    assert len(client.box.live("111")) == 1


def test_stale() -> None:
    """One list may show the state of some seconds ago."""
    client = _faulty(Fault("stale", seconds=10.0))
    client.now = 100.0
    webhook_id = read(client.create("111", classic()))["data"]
    client.now = 105.0
    assert client.ids("111") == []
    assert client.ids("111") == [webhook_id]
    client.delete(webhook_id)
    client.now = 110.0
    client.box.script(Fault("stale", seconds=6.0))
    assert client.ids("111") == [webhook_id]
    assert client.ids("111") == []


def test_slow() -> None:
    """A slow answer takes some seconds more than the latency, and its body drips in that time."""
    client = _faulty(Fault("slow", seconds=4.0), latency=1.0)
    answer = client.ask("GET", "/team/111/webhooks")
    assert (answer.delay, answer.drip, answer.status) == (5.0, 4.0, 200)


def test_truncated() -> None:
    """A body may be cut, with a Content-Length that promises all of it or one that fits the rest."""
    client = asker(webhooks_per_team=1)
    whole = client.ask("GET", "/team/111/webhooks").body
    client.box.script(Fault("truncated", keep=10), Fault("truncated", content_length="matching"))
    promised = client.ask("GET", "/team/111/webhooks")
    assert promised.drop == "in_body"
    assert promised.wire is not None
    head, _, sent = promised.wire.partition(b"\r\n\r\n")
    assert sent == whole[:10]
    assert f"Content-Length: {len(whole)}".encode() in head
    matching = client.ask("GET", "/team/111/webhooks")
    assert (matching.drop, matching.wire, matching.body) == (None, None, whole[: len(whole) // 2])


def test_replaced() -> None:
    """An answer may be replaced as a whole: nothing is added to it but a Content-Length where none is given."""
    client = _faulty(
        Fault("replaced", status=599, headers={"X": "1"}, body=b"\xff"),
        Fault("replaced", status=204, headers={"content-length": "9"}, body=b"body"),
        Fault("replaced", wire=b"SSH-2.0-x\r\n"),
    )
    answer = client.create("111", classic())
    assert (answer.status, answer.headers, answer.body) == (599, {"X": "1"}, b"\xff")
    assert (
        answer.wire == b"HTTP/1.1 599 Unknown\r\nX: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\n\xff"
    )
    answer = client.create("111", classic())
    assert answer.wire == b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\nConnection: close\r\n\r\nbody"
    answer = client.create("111", classic())
    assert (answer.wire, answer.drop) == (b"SSH-2.0-x\r\n", "in_headers")


def test_envelope_lie() -> None:
    """The envelope may say something else than the HTTP status; a delete's 204 then has to become a 200."""
    client = _faulty(Fault("envelope_lie", response_status="400"), Fault("envelope_lie", on="delete"))
    answer = client.create("111", classic())
    assert (answer.status, read(answer)["response_status"]) == (200, "400")
    answer = client.delete("x")
    assert (answer.status, read(answer)["response_status"]) == (200, 500)


def test_script_in_order() -> None:
    """A request is taken by the first fault meant for it; what a fault is not meant for passes."""
    client = _faulty(
        Fault("error_acted", on="create", team="112", status=500),
        Fault("error_acted", on=("create", "list"), status=502, times=2),
        Fault("error_acted", on="create", nth=2, status=503),
    )
    asked = [
        ("create", "111"),
        ("delete", ""),
        ("list", "111"),
        ("create", "112"),
        ("create", "111"),
        ("create", "111"),
    ]
    statuses = []
    for what, team in asked:
        if what == "create":
            statuses.append(client.create(team, classic()).status)
        elif what == "list":
            statuses.append(client.ask("GET", f"/team/{team}/webhooks").status)
        else:
            statuses.append(client.delete("x").status)
    assert statuses == [502, 204, 502, 500, 200, 503]
    assert client.box.faults_left == []


def test_delete_has_a_team() -> None:
    """A fault meant for a team also takes a delete of one of its webhooks."""
    client = _faulty(Fault("lost_before", on="delete", team="112"), webhooks_per_team=1)
    assert client.delete(client.box.live("111")[0]["id"]).drop is None
    assert client.delete(client.box.live("112")[0]["id"]).drop == "before_answer"
    assert [entry.team for entry in client.box.log.requests[-2:]] == ["111", "112"]


def test_for_ever() -> None:
    """A fault without a number of times never ends and never counts as done."""
    client = _faulty(Fault("unauthorized", times=None))
    assert [client.create("111", classic()).status for _ in range(5)] == [401] * 5
    assert len(client.box.faults_left) == 1


def test_faults_wait_behind_the_gateway() -> None:
    """A request that the gateway refuses meets no fault, and one that met a fault has been counted."""
    client = asker(Plan(per_second=1, per_day=None))
    client.box.script(Fault("lost_before"))
    client.now = 1.0
    assert client.ask("POST", "/oauth").drop == "before_answer"
    client.box.script(Fault("lost_before"))
    assert client.ask("POST", "/oauth").status == 429
    assert len(client.box.faults_left) == 1


def test_unknown_fault() -> None:
    """A fault that does not exist is refused."""
    with pytest.raises(ValueError, match="the kind of a fault"):
        Fault("lost")  # type: ignore[arg-type]


RATED = [what for what in get_args(FaultKind) if what != "replaced"]


@pytest.mark.parametrize("what", RATED)
def test_rates(what: FaultKind) -> None:
    """Every kind of fault can be left to chance, and befalls only the operations it can."""
    rates = FaultRates(**{what: 0.5})
    only = {"delete_ignored": "delete", "stale": "list", "broken_items": "list"}.get(what)
    for operation in ("token", "list", "create", "delete"):
        chance = Random(3)
        drawn = Counter(
            fault and fault.kind for fault in (rates.draw(operation, 0.0, chance) for _ in range(400))
        )
        assert set(drawn) == ({None, what} if only in {None, operation} else {None})
        assert only not in {None, operation} or 120 < drawn[what] < 280


def test_one_request_has_one_fault() -> None:
    """Rates share one draw, so that their sum is the chance of any fault."""
    rates = FaultRates(lost_before=0.25, error_acted=0.25, unauthorized=0.5)
    chance = Random(1)
    drawn = Counter(fault and fault.kind for fault in (rates.draw("list", 0.0, chance) for _ in range(2000)))
    assert set(drawn) == {"lost_before", "error_acted", "unauthorized"}
    assert 900 < drawn["unauthorized"] < 1100


def test_rates_end() -> None:
    """Chance strikes only the operations at risk, and only until its time is over."""
    client = asker(rates=FaultRates(lost_before=1.0, on=("delete",), until=10.0))
    assert client.ask("GET", "/team/111/webhooks").drop is None
    client.now = 10.0
    assert client.delete("x").drop is not None
    client.now = 10.5
    assert client.delete("x").drop is None


def test_told_faults_come_first() -> None:
    """What was told to happen happens, whatever chance would have it."""
    client = asker()
    client.box.rates = FaultRates(lost_before=1.0)
    client.box.script(Fault("unauthorized"))
    assert client.delete("x").status == 401
    assert client.delete("x").drop is not None


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_chance_repeats(seed: int) -> None:
    """With one seed the same faults befall the same requests."""

    def play() -> list[tuple[Answer, str | None]]:
        client = asker(entropy=ENTROPY, seed=seed)
        client.box.rates = FaultRates(lost_after=0.2, late=0.2, error_acted=0.2, slow=0.2)
        outcomes = []
        for _ in range(5):
            answer = client.create("111", classic(client_secret=SECRET))
            outcomes.append((answer, client.box.log.requests[-1].fault))
        return outcomes

    assert [(attrs.asdict(answer), fault) for answer, fault in play()] == [
        (attrs.asdict(answer), fault) for answer, fault in play()
    ]
