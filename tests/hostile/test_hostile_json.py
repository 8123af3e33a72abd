"""JSON that is none, or of another shape than doo documents. Each row against each operation it can befall."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from canary import make_secret
from hostile_world import (
    OPERATIONS,
    TEAM,
    Ends,
    Operation,
    Row,
    boxed,
    cases,
    good,
    item,
    outcome,
    page,
    play,
    says,
    unreadable,
    works,
    written,
)

from aiodoo import (
    DooError,
    NotCopyable,
    NotJson,
    OutcomeUnknown,
    SchemaMismatch,
)
from aiodoo.sandbox import Fault

READS: tuple[Operation, ...] = ("token", "list", "create", "delete")


def made(make: Callable[[bytes], bytes]) -> Callable[[Operation], Fault]:
    """Answer 200 with what is made of a good body."""
    return lambda operation: says(200, make(good(operation) or b"{}"))(operation)


def always(body: bytes) -> Callable[[Operation], Fault]:
    """Answer 200 with the same body whatever was asked."""
    return says(200, body)


NO_JSON = unreadable(NotJson, reads=3)
NO_SHAPE = unreadable(SchemaMismatch)

ROWS: dict[str, tuple[Any, Row]] = {
    "J1 cut": (made(lambda body: body[:-1]), NO_JSON),
    "J1 cut in a text": (made(lambda body: body[: body.rindex(b'"')] if b'"' in body else b"{"), NO_JSON),
    "J1 something behind it": (made(lambda body: body + b"x"), NO_JSON),
    "J1 two documents": (made(lambda body: body + body), NO_JSON),
    "J1 two lines": (made(lambda body: body + b"\n" + body), NO_JSON),
    "J1 JSONP": (made(lambda body: b"callback(" + body + b");"), NO_JSON),
    "J1 a guard before it": (made(lambda body: b")]}',\n" + body), NO_JSON),
    "J1 single quotes": (made(lambda body: body.replace(b'"', b"'") + b"'"), NO_JSON),
    "J1 a comma too many": (made(lambda body: body[:-1] + b",}"), NO_JSON),
    "J1 a comment": (made(lambda body: body[:-1] + b"/* */}"), NO_JSON),
    "J1 no quotes": (always(b"{data: 1}"), NO_JSON),
    "J1 YAML": (always(b"data: 1\n"), NO_JSON),
    "J1 XML": (always(b"<?xml version='1.0'?><data/>"), NO_JSON),
    "J1 form": (always(b"access_token=x&token_type=bearer"), NO_JSON),
    "J1 undefined": (always(b'{"data": undefined}'), NO_JSON),
    "J1 a tab in a text": (always(b'{"data": "a\tb"}'), NO_JSON),
    "J2 a byte order mark": (made(lambda body: b"\xef\xbb\xbf" + body), works()),
    "J2 two byte order marks": (made(lambda body: b"\xef\xbb\xbf" * 2 + body), NO_JSON),
    "J2 UTF-16": (made(lambda body: body.decode().encode("utf-16")), NO_JSON),
    "J2 UTF-16, big end first": (made(lambda body: body.decode().encode("utf-16-be")), NO_JSON),
    "J2 UTF-32": (made(lambda body: body.decode().encode("utf-32")), NO_JSON),
    "J2 Latin-1": (always(b'{"x": "\xe4"}'), NO_JSON),
    "J2 UTF-8 too long": (always(b'{"x": "\xc0\xaf"}'), NO_JSON),
    "J2 half a pair as it is": (always(b'{"x": "\xed\xa0\x80"}'), NO_JSON),
    "J2 beyond Unicode": (always(b'{"x": "\xf4\x90\x80\x80"}'), NO_JSON),
    "J2 half a pair, escaped": (always(b'{"data": "\\ud800"}'), NO_JSON),
    "J2 the other half, escaped": (always(b'{"data": "\\udc00x"}'), NO_JSON),
    "J2 NUL behind it": (made(lambda body: body + b"\0"), NO_JSON),
    "J2 NUL in a text": (always(b'{"data": "a\0b"}'), NO_JSON),
    "J2 an escape that is none": (always(b'{"data": "\\x41"}'), NO_JSON),
    "J3 NaN": (always(b'{"data": NaN}'), NO_JSON),
    "J3 Infinity": (always(b'{"data": Infinity}'), NO_JSON),
    "J3 -Infinity": (always(b'{"data": -Infinity}'), NO_JSON),
    "J3 1e400": (always(b'{"data": 1e400}'), NO_SHAPE),
    "J3 -1e400": (always(b'{"data": -1e400}'), NO_SHAPE),
    "J3 5,000 digits": (always(b'{"data": %b}' % (b"7" * 5000)), NO_SHAPE),
    "J3 01": (always(b'{"data": 01}'), NO_JSON),
    "J3 +1": (always(b'{"data": +1}'), NO_JSON),
    "J3 0x1": (always(b'{"data": 0x1}'), NO_JSON),
    "J3 1.": (always(b'{"data": 1.}'), NO_JSON),
    "J4 65 lists in each other": (always(b"[" * 65 + b"]" * 65), NO_SHAPE),
    "J4 65 objects in each other": (always(b'{"data":' * 65 + b"1" + b"}" * 65), NO_SHAPE),
    "J5 a key twice": (made(lambda body: b'{"data": null, "_embedded": null, ' + body[1:]), works()),
    "J6 null": (always(b"null"), NO_SHAPE),
    "J6 a list": (always(b"[]"), NO_SHAPE),
    "J6 a text": (always(b'"text"'), NO_SHAPE),
    "J6 a number": (always(b"1"), NO_SHAPE),
    "J6 a fraction": (always(b"-0.0"), NO_SHAPE),
    "J6 true": (always(b"true"), NO_SHAPE),
    "J6 an object with nothing": (always(b"{}"), NO_SHAPE),
    "J6 an object around it": (made(lambda body: b'{"response": %b}' % body), NO_SHAPE),
    "J6 a list around it": (made(lambda body: b"[%b]" % body), NO_SHAPE),
    "J9 fields nobody knows": (
        made(lambda body: b'{"\xf0\x9f\xa6\x84": [1, {"x": null}], ' + body[1:]),
        works(),
    ),
}


@pytest.mark.parametrize(("answer", "operation", "ends"), cases(ROWS))
async def test_json(answer: Callable[[Operation], Fault], operation: Operation, ends: Ends) -> None:
    """It ends in the error of its row; NaN and Infinity are no JSON, so they count as such.

    What is no JSON may be a proxy's page and a read is tried again; JSON of another shape is not.
    """
    await play(answer, operation, ends)


NO_IDS: dict[str, Any] = {
    "null": None,
    "nothing": "",
    "a fraction": 1.5,
    "true": True,
    "a list": ["12"],
    "an object": {"id": "12"},
    "a megabyte": "a" * 1_000_000,
    "65 characters": "a" * 65,
    "a path up": "../x",
    "two dots": "..",
    "a dot": ".",
    "a slash": "a/b",
    "an encoded slash": "a%2fb",
    "a query": "a?page=2",
    "a fragment": "a#b",
    "an Arabic digit": "٣",
    "a full-width digit": "\uff11\uff12",
    "a space": "a b",
    "a line break": "12\r\nX-A: b",
    "a line break at the end": "12\n",
    "NUL": "12\0",
    "a backslash": "a\\b",
    "a colon": "a:b",
    "a quote": '12"',
    "a URL": "https://evil.example/12",
}
IDS: dict[str, tuple[Any, str]] = {
    "a number": (12, "12"),
    "a counter": ("12", "12"),
    "a UUID": ("0f5566bb-d35b-11e7-bde8-0206116776d2", "0f5566bb-d35b-11e7-bde8-0206116776d2"),
    "64 characters": ("a" * 64, "a" * 64),
    "20 digits": (10**20, str(10**20)),
}


@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS)
async def test_no_id_in_a_list(value: Any) -> None:
    """J11: an item without an id that may go into a path fails alone; no request is ever made of it."""
    body = page([item("1"), item(value), item("3")])
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="list", times=None, body=body))
        with pytest.raises(SchemaMismatch) as caught:
            await doo.webhooks.list(TEAM).collect()
        assert caught.value.path == "$._embedded.webhooks[1].id"
        async with doo.webhooks.list(TEAM, on_error="collect") as walk:
            assert [webhook.id async for webhook in walk] == ["1", "3"]
        assert [type(each.error) for each in walk.errors] == [SchemaMismatch]
        assert {each.path for each in box.log.requests} == {"/v1/oauth", f"/v1/team/{TEAM}/webhooks"}


@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS)
async def test_no_id_for_a_create(value: Any) -> None:
    """J11, J15: a create whose answer has no id that could be one is in doubt, and not sent again."""
    await play(says(200, written(data=value)), "create", Ends(OutcomeUnknown, 1, SchemaMismatch))


@pytest.mark.parametrize("value", NO_IDS.values(), ids=NO_IDS)
async def test_no_id_of_a_team(value: Any) -> None:
    """J11: an active team without an id that may go into a path is none, and none is asked for."""
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="organizations", times=None, body=written(active_team={"id": value})))
        with pytest.raises(SchemaMismatch):
            await doo.organizations.active_team()
        with pytest.raises(SchemaMismatch):
            await doo.webhooks.list_all().collect()
        assert {each.path for each in box.log.requests} == {
            "/v1/oauth",
            "/v1/organizers/current/organizations",
        }


@pytest.mark.parametrize(("value", "text"), IDS.values(), ids=IDS)
async def test_an_id(value: Any, text: str) -> None:
    """J11: whole numbers and texts are ids, in a list and in the answer to a create."""
    listed = await play(says(200, page([item(value)])), "list", Ends(None, 1))
    assert [webhook.id for webhook in listed] == [text]
    assert await play(says(200, written(data=value)), "create", Ends(None, 1)) == text


@pytest.mark.parametrize("missing", ["data", "the list"])
async def test_no_data_for_a_create(missing: str) -> None:
    """J15: nor is there an id where there is no `data`, or where it is anything but an id."""
    bodies = {"data": written(response_status=200), "the list": written(response_status=200, data=[])}
    await play(says(200, bodies[missing]), "create", Ends(OutcomeUnknown, 1, SchemaMismatch))


async def test_the_id_of_another_webhook_for_a_create() -> None:
    """J15: the single `create` has to believe the id that doo gives, as it lists nothing; a run and an update compare."""
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="create", body=written(data="12")))
        assert await outcome(doo, "create") == "12"


NO_LISTS: dict[str, dict[str, Any]] = {
    "_embedded missing": {"page_count": 1},
    "_embedded missing without counters": {},
    "_embedded null": {"_embedded": None, "page_count": 0},
    "_embedded a list": {"_embedded": [], "page_count": 0},
    "_embedded a text": {"_embedded": "webhooks"},
    "webhooks missing": {"_embedded": {}, "page_count": 1, "total_items": 3},
    "webhooks null": {"_embedded": {"webhooks": None}, "page_count": 0, "total_items": 0},
    "webhooks an object": {"_embedded": {"webhooks": {"0": item("1")}}},
    "webhooks a text": {"_embedded": {"webhooks": "none"}},
    "an item null": {"_embedded": {"webhooks": [None]}},
    "an item a text": {"_embedded": {"webhooks": ["12"]}},
    "an item a list": {"_embedded": {"webhooks": [[item("1")]]}},
    "no name": {"_embedded": {"webhooks": [{"id": "1", "hooks": []}]}},
    "a name null": {"_embedded": {"webhooks": [item("1", name=None)]}},
    "a name a number": {"_embedded": {"webhooks": [item("1", name=12)]}},
    "a hook without a type": {
        "_embedded": {"webhooks": [item("1", hooks=[{"endpoint": "https://x.example"}])]}
    },
    "a hook without an endpoint": {"_embedded": {"webhooks": [item("1", hooks=[{"type": "event_created"}])]}},
    "hooks a text": {"_embedded": {"webhooks": [item("1", hooks="event_created")]}},
    "a hook null": {"_embedded": {"webhooks": [item("1", hooks=[None])]}},
    "authentication a text": {"_embedded": {"webhooks": [item("1", authentication="none")]}},
    "a client secret a number": {
        "_embedded": {
            "webhooks": [
                item(
                    "1",
                    authentication={"endpoint": "https://x.example", "credentials": {"client_secret": 1}},
                )
            ]
        }
    },
    "another team": {"_embedded": {"webhooks": [item("1", team_id="999")]}},
    "page_count true": {"_embedded": {"webhooks": []}, "page_count": True},
    "page_count 1.0": {"_embedded": {"webhooks": []}, "page_count": 1.0},
    "page_count -1": {"_embedded": {"webhooks": []}, "page_count": -1},
    "page_count a word": {"_embedded": {"webhooks": []}, "page_count": "one"},
    "page_count an Arabic digit": {"_embedded": {"webhooks": []}, "page_count": "٣"},
    "page_count with a space": {"_embedded": {"webhooks": []}, "page_count": " 1"},
    "page_count nothing": {"_embedded": {"webhooks": []}, "page_count": ""},
    "page_count a list": {"_embedded": {"webhooks": []}, "page_count": [1]},
    "page_count of 19 digits": {"_embedded": {"webhooks": []}, "page_count": "1" * 19},
    "total_items an object": {"_embedded": {"webhooks": []}, "total_items": {}},
    "page a fraction": {"_embedded": {"webhooks": []}, "page": 1.5},
}


@pytest.mark.parametrize("document", NO_LISTS.values(), ids=NO_LISTS)
async def test_no_list(document: dict[str, Any]) -> None:
    """J7, J12, P16: what is not plainly a list of this team is never taken for an empty one, and is asked for once."""
    await play(says(200, written(**document)), "list", Ends(SchemaMismatch, 1))


LISTS: dict[str, tuple[dict[str, Any], int]] = {
    "none, by page_count": ({"page_count": 0}, 0),
    "none, by total_items": ({"total_items": "0", "_embedded": {}}, 0),
    "counters as texts": (
        {"_embedded": {"webhooks": [item("1")]}, "page_count": "1", "page": "1", "total_items": "1"},
        1,
    ),
    "a counter null": ({"_embedded": {"webhooks": [item("1")]}, "total_items": None, "page": None}, 1),
    "-0 pages": ({"_embedded": {"webhooks": [item("1")]}, "page_count": -0}, 1),
    "links null": ({"_embedded": {"webhooks": [item("1")]}, "_links": None}, 1),
    "links a list": ({"_embedded": {"webhooks": [item("1")]}, "_links": []}, 1),
    "this team named": ({"_embedded": {"webhooks": [item("1", team_id=int(TEAM))]}}, 1),
    "hooks null": ({"_embedded": {"webhooks": [item("1", hooks=None)]}}, 1),
    "hooks empty": ({"_embedded": {"webhooks": [item("1", hooks=[])]}}, 1),
    "hooks an object": ({"_embedded": {"webhooks": [item("1", hooks={"0": {}})]}}, 1),
    "no hooks": ({"_embedded": {"webhooks": [{"id": "1", "name": "crm"}]}}, 1),
    "words that nobody knows": (
        {
            "_embedded": {
                "webhooks": [
                    item("1", hooks=[{"type": "moon_rose", "method": "BREW", "endpoint": "gopher://x"}])
                ]
            }
        },
        1,
    ),
}


@pytest.mark.parametrize(("document", "count"), LISTS.values(), ids=LISTS)
async def test_a_strange_list(document: dict[str, Any], count: int) -> None:
    """J7, J8, J10, J12: what can only mean one thing is read."""
    listed = await play(says(200, written(**({"page_count": 1} | document))), "list", Ends(None, 1))
    assert len(listed) == count


@pytest.mark.parametrize("counters", [{}, dict.fromkeys(["page_count", "page_size", "total_items", "page"])])
async def test_nothing_but_items(counters: dict[str, Any]) -> None:
    """J7, P5: where nothing tells whether there is more, one page more is asked for."""
    body = written(_embedded={"webhooks": [item("1")]}, **counters)
    assert [each.id for each in await play(says(200, body), "list", Ends(None, 2))] == ["1"]


async def test_an_id_twice() -> None:
    """J5: of a key that comes twice the last one counts, in an item too."""
    body = page([item("1")]).replace(b'"id": "1"', b'"id": "9", "id": "1"')
    assert [each.id for each in await play(says(200, body), "list", Ends(None, 1))] == ["1"]


@pytest.mark.parametrize("hooks", [None, [], {"0": {}}], ids=["null", "empty", "an object"])
async def test_hooks_that_cannot_be_copied(hooks: Any) -> None:
    """J8: a webhook without hooks that could be sent back is shown without any, and not copied."""
    (webhook,) = await play(says(200, page([item("1", hooks=hooks)])), "list", Ends(None, 1))
    assert webhook.hooks == ()
    assert webhook.raw["hooks"] == hooks
    with pytest.raises(NotCopyable):
        webhook.copy(name="other")


async def test_everything_unknown_is_kept() -> None:
    """J9, J10: fields and words that nobody knows come back with a copy, at every depth."""
    hook = {"type": "moon_rose", "method": "BREW", "endpoint": "https://crm.example", "x": [{"y": None}]}
    login = {
        "grant_type": "magic",
        "endpoint": "https://crm.example",
        "credentials": {"client_id": "doo", "client_secret": make_secret(), "x": 1},
    }
    listed = item("1", hooks=[hook], authentication=login, colour={"a": [1, 2]})
    (webhook,) = await play(says(200, page([listed])), "list", Ends(None, 1))
    sent = webhook.copy(name="other").to_dict(secrets="reveal")
    assert sent["hooks"] == [hook]
    assert sent["colour"] == listed["colour"]
    assert sent["authentication"].items() >= login.items()


@pytest.mark.parametrize(
    "shown", ["****", "", None, "[REDACTED]", "<hidden>", "xxxxxxxx", "abc***xyz", "●●●●", "null", "..."]
)
async def test_a_masked_secret_is_not_copied(shown: str | None) -> None:
    """J13: a mask is never sent back as if it were the secret."""
    login = {"endpoint": "https://crm.example", "credentials": {"client_id": "doo", "client_secret": shown}}
    (webhook,) = await play(says(200, page([item("1", authentication=login)])), "list", Ends(None, 1))
    with pytest.raises(NotCopyable, match="client_secret="):
        webhook.copy(name="other")


NO_TOKENS: dict[str, bytes] = {
    "missing": written(data={}),
    "nothing": written(data={"access_token": ""}),
    "null": written(data={"access_token": None}),
    "a number": written(data={"access_token": 12}),
    "true": written(data={"access_token": True}),
    "a list": written(data={"access_token": ["x"]}),
    "a line break": written(data={"access_token": "a\r\nX-A: b"}),
    "a line break at the end": written(data={"access_token": "a\n"}),
    "a space": written(data={"access_token": "a b"}),
    "NUL": written(data={"access_token": "a\0"}),
    "an umlaut": written(data={"access_token": "ä"}),
    "DEL": written(data={"access_token": "a\x7f"}),
    "8,193 characters": written(data={"access_token": "a" * 8193}),
    "a megabyte": written(data={"access_token": "a" * 1_000_000}),
    "data null": written(data=None),
    "data a text": written(data="token"),
    "data a list": written(data=[{"access_token": "x"}]),
    "no data": written(access_token="x"),
    "nothing but errors": written(error="invalid_client"),
}


@pytest.mark.parametrize("body", NO_TOKENS.values(), ids=NO_TOKENS)
async def test_no_token(body: bytes) -> None:
    """J16: what could not go into a header is no token; none is sent, and it is asked for once a call."""
    await play(says(200, body), "token", Ends(SchemaMismatch, 1))


@pytest.mark.parametrize(
    "more",
    [
        {"expires_in": -1},
        {"expires_in": 0},
        {"expires_in": "soon"},
        {"expires_in": 10**18},
        {"token_type": "mac"},
        {"refresh_token": "x"},
        {"scope": "*"},
    ],
    ids=str,
)
async def test_a_token_with_more_to_it(more: dict[str, Any]) -> None:
    """J16: doo documents nothing but the token; it is used until it is refused, whatever is said beside it."""
    await play(says(200, written(data={"access_token": "x" * 40, **more})), "token", Ends(None, 1))


AWFUL = "\x1b[2J\x1b]0;owned\x07 \u202ereversed\u202c \u2066isolated\u2069 \r\nINFO forged \x00\x85\u2028 \ud83d\ude00"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [400, 404, 418, 500])
async def test_words_that_would_act_up(status: int, operation: Operation) -> None:
    """J17: an error shows the server's words on one line, escaped and shortened."""
    body = json.dumps({"user_message": AWFUL + "x" * 5000, "developer_message": AWFUL}).encode(
        "utf-8", "surrogatepass"
    )
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on=operation, times=None, status=status, body=body, acted=False))
        error = await outcome(doo, operation)
        assert isinstance(error, DooError)
        for shown in (str(error), repr(error), error.__dict__.get("user_message") or ""):
            assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown) is None
            assert len(shown) < 1500


@pytest.mark.parametrize(
    "endpoint",
    [
        "no URL",
        "",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "//crm.example",
        "https://u:p@crm.example/x?key=k#f",
        "https://crm.example/" + "a" * 65_536,
        "http://169.254.169.254/latest/meta-data",
        "\x1b[31mhttps://crm.example",
        "https://crm.example\\@evil.example",
    ],
    ids=lambda endpoint: endpoint[:20] or "nothing",
)
async def test_an_endpoint_that_is_awful(endpoint: str) -> None:
    """J18: it is kept as it is, shown without what may be secret, on one line and shortened, and never called."""
    hook = {"type": "event_created", "endpoint": endpoint}
    (webhook,) = await play(says(200, page([item("1", hooks=[hook])])), "list", Ends(None, 1))
    assert webhook.hooks[0].endpoint == endpoint
    shown = repr(webhook)
    assert "u:p" not in shown
    assert "key=k" not in shown
    assert "\x1b" not in shown
    assert len(shown) < 1000


FIELDS = ["user_message", "developer_message", "message"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 429, 500])
async def test_our_own_secrets_repeated(status: int, field: str, operation: Operation) -> None:
    """J19: what doo repeats of our headers and body is hidden by its value, wherever it stands in an answer."""
    async with boxed(deadline=0.5) as (box, doo):
        if operation != "token":
            await outcome(doo, "list" if operation != "list" else "token")
        token = doo._client._tokens.current if status != 401 else None  # it would be another one at the end
        ours = [box.api_key, box.client_secret, *([token.reveal()] if token else [])]
        words = " ".join([*ours, *(secret.upper() for secret in ours)])
        body = written(response_status=status if status != 200 else 500, **{field: words})
        headers = {
            "Content-Type": f"application/{ours[0]}",
            "x-amzn-RequestId": ours[-1],
            "Server": words,
            "Retry-After": ours[0],
        }
        box.script(Fault("replaced", on=operation, times=None, status=status, headers=headers, body=body))
        error = await outcome(doo, operation)
        if operation == "delete" and status == 200:
            assert error is None
            return
        assert isinstance(error, DooError)
        chain = [error, getattr(error, "cause", None)]
        shown = " ".join(str(each) + repr(each) + str(vars(each)) for each in chain if each is not None)
        assert not any(secret in shown or secret.upper() in shown for secret in ours)
