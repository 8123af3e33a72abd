from __future__ import annotations

import json
import secrets
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.doo_lists import (
    ENDPOINT,
    answer,
    authentication,
    first_example,
    items,
    page_of,
    patient,
    second_example,
)

from aiodoo import Hook, NotJson, Page, SchemaMismatch, Secret, WebhookConfiguration
from aiodoo.protocol.answers import read_page
from aiodoo.protocol.listing import read_item_by_item

GOOD = {
    "id": "12",
    "name": "crm",
    "hooks": [{"type": "event_created", "method": "POST", "endpoint": ENDPOINT}],
}


def read(body: Any, number: int = 1) -> Page:
    """Read a page of team 111."""
    return read_page(answer(body), "111", number)


def test_doos_first_example_reads_as_printed() -> None:
    """One item although the counters say five, and links that only tell that there is no next page."""
    page = read(first_example())
    assert (page.team_id, page.number, page.answered_number) == ("111", 1, 1)
    assert (page.page_count, page.page_size, page.total_items) == (1, 25, 5)
    assert (page.has_next_link, page.faults) == (False, ())
    assert [item.id for item in page.items] == ["38cc7e8d-d107-11e7-bde8-0206116776d1"]
    assert [item.team_id for item in page.items] == ["111"]


def test_doos_second_example_reads_as_printed() -> None:
    """Seven to a page, on another host."""
    page = read(second_example())
    assert (page.page_count, page.page_size, page.total_items, page.answered_number) == (1, 7, 1, 1)
    assert [item.name for item in page.items] == ["My GraphQL Webhook"]
    assert len(page.items[0].hooks) == 2


@patient
@given(st.lists(items(), max_size=3), st.binary(max_size=3))
def test_both_ways_of_reading_agree(listed: list[dict[str, Any]], mark: bytes) -> None:
    """Reading at once and item by item give the same page, so one bad item changes nothing for the others."""
    body = (b"\xef\xbb\xbf" if mark else b"") + json.dumps(page_of(*listed)).encode()
    at_once, one_by_one = read(body), read_item_by_item(answer(body), "111", 1)
    assert at_once == one_by_one
    assert [item.raw for item in at_once.items] == [item.raw for item in one_by_one.items] == listed


BAD_ITEMS: list[tuple[Any, str]] = [
    (None, ""),
    ("12", ""),
    ([], ""),
    ({}, ""),
    (GOOD | {"id": None}, ".id"),
    (GOOD | {"id": ""}, ".id"),
    (GOOD | {"id": 1.0}, ".id"),
    (GOOD | {"id": True}, ".id"),
    (GOOD | {"id": ["12"]}, ".id"),
    (GOOD | {"id": "../x"}, ".id"),
    (GOOD | {"id": "a" * 1_000_000}, ".id"),
    (GOOD | {"id": "12\n"}, ".id"),
    (GOOD | {"id": "12\n13"}, ".id"),
    (GOOD | {"id": -12345678901234567890123456789012345678901234567890123456789012345}, ".id"),
    (GOOD | {"name": None}, ".name"),
    (GOOD | {"name": 5}, ".name"),
    (GOOD | {"description": 5}, ".description"),
    (GOOD | {"event_id": 1.5}, ".event_id"),
    (GOOD | {"event_id": True}, ".event_id"),
    (GOOD | {"event_guide_id": []}, ".event_guide_id"),
    (GOOD | {"hooks": "event_created"}, ".hooks"),
    (GOOD | {"hooks": 5}, ".hooks"),
    (GOOD | {"hooks": [None]}, ".hooks[0]"),
    (GOOD | {"hooks": [{"type": "t"}]}, ".hooks[0]"),
    (GOOD | {"hooks": [{"type": None, "endpoint": "e"}]}, ".hooks[0].type"),
    (GOOD | {"hooks": [{"type": "t", "endpoint": None}]}, ".hooks[0].endpoint"),
    (GOOD | {"hooks": [{"type": "t", "endpoint": "e", "origin": {"body": None}}]}, ".hooks[0].origin.body"),
    (GOOD | {"authentication": {"endpoint": None}}, ".authentication.endpoint"),
    (GOOD | {"hooks": [{"type": "t", "endpoint": "e", "origin": []}]}, ".hooks[0].origin"),
    (GOOD | {"authentication": []}, ".authentication"),
    (GOOD | {"authentication": authentication(5)}, ".authentication.credentials.client_secret"),
    (GOOD | {"authentication": {"endpoint": ENDPOINT, "credentials": "x"}}, ".authentication.credentials"),
    (GOOD | {"team_id": "222"}, ".team_id"),
    (GOOD | {"team_id": 222}, ".team_id"),
    (GOOD | {"team_id": {}}, ".team_id"),
]


@pytest.mark.parametrize(("bad", "path"), BAD_ITEMS, ids=lambda value: str(value)[:60])
def test_an_item_that_does_not_fit_fails_alone(bad: Any, path: str) -> None:
    """The others are read; the fault says where, and shows no value."""
    page = read(page_of(GOOD, bad, GOOD | {"id": "13"}))
    assert [item.id for item in page.items] == ["12", "13"]
    assert [item.raw["id"] for item in page.items] == ["12", "13"]
    assert [fault.path for fault in page.faults] == [f"$._embedded.webhooks[1]{path}"]
    assert page.faults[0].path in str(page.faults[0])
    assert len(str(page.faults[0])) < 300


def test_a_fault_shows_no_value() -> None:
    """What was wrong may be a secret."""
    word = secrets.token_hex(8)
    page = read(
        page_of(
            GOOD | {"authentication": authentication([word])},
            GOOD | {"name": {word: word}},
            GOOD | {"id": f"/{word}"},
        )
    )
    assert len(page.faults) == 3
    assert word not in "".join(map(repr, page.faults))


@pytest.mark.parametrize(
    ("lenient", "expected"),
    [
        ({"id": 12}, {}),
        ({"hooks": None}, {"hooks": ()}),
        ({"hooks": []}, {"hooks": ()}),
        ({"hooks": {}}, {"hooks": ()}),
        ({"hooks": {"0": {"type": "t"}}}, {"hooks": ()}),
        ({"event_id": 7}, {"event_id": "7"}),
        ({"event_id": "7", "event_guide_id": None}, {"event_id": "7"}),
        ({"description": ""}, {"description": ""}),
        ({"description": None}, {"description": None}),
        ({"authentication": None}, {"authentication": None}),
        ({"team_id": "111"}, {}),
        ({"team_id": 111}, {}),
        (
            {"extra": {"a": 1}, "_source": 5, "hooks": [GOOD["hooks"][0] | {"extra": 2, "_listed": 3}]},  # type: ignore[index]
            {"hooks": (Hook(**GOOD["hooks"][0], extra={"extra": 2, "_listed": 3}),)},  # type: ignore[index]
        ),
    ],
)
def test_what_doo_leaves_open_is_read(lenient: dict[str, Any], expected: dict[str, Any]) -> None:
    """Numbers as ids, hooks in a form that nobody documents, nulls, and fields that are called as ours."""
    page = read(page_of(GOOD | lenient))
    assert page.faults == ()
    assert page.items[0] == attrs.evolve(read(page_of(GOOD)).items[0], **expected)
    assert page.items[0].raw == GOOD | lenient


@pytest.mark.parametrize("credentials", [None, {}, {"client_secret": None}, {"client_secret": ""}])
def test_a_secret_that_is_not_shown_is_empty(credentials: Any) -> None:
    """The typed view of a list that shows no secret has an empty one."""
    login = (
        read(page_of(GOOD | {"authentication": {"endpoint": ENDPOINT, "credentials": credentials}}))
        .items[0]
        .authentication
    )
    assert login is not None
    assert login.credentials.client_secret == Secret("")
    assert login.credentials.client_id == "doo"


HOOK: dict[str, Any] = GOOD["hooks"][0] | {"origin": {"body": "{}"}}  # type: ignore[index]
LOGIN = {"endpoint": ENDPOINT, "credentials": {"client_secret": "a good secret"}}


@pytest.mark.parametrize(
    ("named", "missing"),
    [
        ({"hooks": [HOOK | {"method": None}]}, {"hooks": [{k: v for k, v in HOOK.items() if k != "method"}]}),
        ({"hooks": [HOOK | {"origin": {"body": "{}", "endpoint": None, "method": None}}]}, {"hooks": [HOOK]}),
        *(
            ({"authentication": LOGIN | {name: None}}, {"authentication": LOGIN})
            for name in ("grant_type", "header_format", "header_value_format")
        ),
        (
            {
                "authentication": LOGIN
                | {"credentials": {"client_secret": "a good secret", "client_id": None}}
            },
            {"authentication": LOGIN},
        ),
    ],
    ids=str,
)
def test_null_in_an_optional_field_is_read_as_missing(named: dict[str, Any], missing: dict[str, Any]) -> None:
    """Its item and its copy are as if the field were not there, the others are read at once, and null is kept in `raw`."""
    page = read(page_of(GOOD | named, GOOD | {"id": "13"}))
    (expected,) = read(page_of(GOOD | missing)).items
    assert (page.faults, [item.id for item in page.items]) == ((), ["12", "13"])
    assert page.items[0] == expected
    assert page.items[0].raw == GOOD | named
    assert page.items[0].copy().to_dict(secrets="reveal") == expected.copy().to_dict(secrets="reveal")
    assert WebhookConfiguration.from_dict(GOOD | named, team_id="111") == expected


def test_null_leaves_unknown_fields_alone() -> None:
    """What aiodoo does not know is copied as it is, null as well."""
    item = GOOD | {
        "hooks": [HOOK | {"method": None, "retry": None}],
        "authentication": LOGIN | {"scope": None},
    }
    (webhook,) = read(page_of(item)).items
    sent = webhook.copy().to_dict(secrets="reveal")
    assert (sent["hooks"][0]["retry"], sent["authentication"]["scope"]) == (None, None)


def test_the_last_of_two_keys_wins() -> None:
    """A repeated key is read as every JSON reader here reads it, at once or item by item."""
    text = json.dumps(page_of(GOOD))
    for first in ('"id": "11"', '"id": null', '"id": [1]'):
        page = read(text.replace('"id": "12"', f'{first}, "id": "12"').encode())
        assert [item.id for item in page.items] == ["12"]
        assert page.items[0].copy().name == "crm"


@pytest.mark.parametrize(
    ("counter", "number"), [(3, 3), ("3", 3), (0, 0), ("0", 0), (None, None), (10**9, 10**9)]
)
@pytest.mark.parametrize("name", ["page_count", "page_size", "total_items", "page"])
def test_counters_are_whole_numbers(name: str, counter: Any, number: int | None) -> None:
    """A number, or exactly its digits as text; they may be missing."""
    page = read(page_of(GOOD, **{name: counter}))
    assert getattr(page, "answered_number" if name == "page" else name) == number


@pytest.mark.parametrize(
    "counter", [-1, "-1", "", " 3", "3.0", "three", "\u0663", 3.0, 3.5, True, [], {}, "9" * 50]
)
@pytest.mark.parametrize("name", ["page_count", "page_size", "total_items", "page"])
def test_counters_that_are_none_are_refused(name: str, counter: Any) -> None:
    """Nothing is concluded from a list whose counters make no sense."""
    with pytest.raises(SchemaMismatch) as caught:
        read(page_of(GOOD, **{name: counter}))
    assert caught.value.path == f"$.{name}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"page_count": 1},
        {"page_count": 1, "total_items": 5},
        {"_embedded": None, "page_count": 0},
        {"_embedded": [], "page_count": 0},
        {"_embedded": "x", "total_items": 0},
        {"_embedded": {}, "page_count": 1},
        {"_embedded": {"webhooks": None}, "page_count": 0},
        {"_embedded": {"webhooks": {}}, "total_items": 0},
        {"_embedded": {"webhooks": "x"}},
        {"_embedded": {"hooks": []}},
        {"page_count": False},
        {"page_count": 0.0},
        [],
        None,
        "x",
        5,
    ],
)
def test_a_list_that_is_none_is_never_empty(body: Any) -> None:
    """Absence of webhooks is only believed from a list; anything else is an error."""
    with pytest.raises(SchemaMismatch):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        page_of(),
        {"_embedded": {"webhooks": []}},
        {"page_count": 0},
        {"page_count": "0"},
        {"total_items": 0, "page_count": 1},
        {"_embedded": {}, "page_count": 0},
    ],
)
def test_an_empty_list_is_empty(body: dict[str, Any]) -> None:
    """The list may be left out if a counter says that there is nothing."""
    page = read(body)
    assert (page.items, page.faults) == ((), ())


@pytest.mark.parametrize(
    ("links", "has_next"),
    [
        ({"next": {"href": "https://evil.example/?page=2"}}, True),
        ({"next": {"href": "/v1/team/111/webhooks?page=2"}}, True),
        ({"next": "https://x"}, True),
        ({"next": {"title": "no href"}}, True),
        ({"next": None}, False),
        ({"next": {}}, False),
        ({"next": ""}, False),
        ({"next": []}, False),
        ({"next": {"href": None}}, False),
        ({"next": {"href": ""}}, False),
        ({"self": {"href": "x"}}, False),
        ({}, False),
        ([], False),
        (None, False),
        ("next", False),
    ],
)
def test_a_next_link_is_there_or_not(links: Any, has_next: bool) -> None:  # noqa: FBT001
    """Only that it is there counts, never where it leads."""
    assert read(page_of(GOOD, _links=links)).has_next_link is has_next


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Maintenance</html>",
        json.dumps(first_example()).encode()[:-40],
        b'{"_embedded":{"webhooks":[{"id":"\xff"}]}}',
    ],
)
def test_a_page_that_is_not_json_is_refused(body: bytes) -> None:
    """A page cut short is no page, however much of it can be read."""
    with pytest.raises(NotJson):
        read(body)


@pytest.mark.parametrize("place", ['"_links":VALUE', '"new":VALUE', '"_embedded":VALUE', '"page":VALUE'])
def test_endless_nesting_is_refused(place: str) -> None:
    """Fifty thousand brackets end in an error, in fields that are read and in those that are not."""
    body = json.dumps(page_of(GOOD))[:-1] + "," + place.replace("VALUE", "[" * 50_000 + "]" * 50_000) + "}"
    with pytest.raises(SchemaMismatch):
        read(body.encode())


def test_a_page_of_many_is_read() -> None:
    """More items than the page size are as good as any."""
    page = read(page_of(*(GOOD | {"id": str(number)} for number in range(1000)), page_size=25))
    assert [item.id for item in page.items] == [str(number) for number in range(1000)]
