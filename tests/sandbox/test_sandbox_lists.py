"""What a list of webhooks shows, for everything about it that doo leaves open."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_asker import Asker, asker, read

from aiodoo.sandbox import classic, graphql


def _names(page: Any) -> list[str]:
    return [webhook["name"] for webhook in page["_embedded"]["webhooks"]]


def _filled(names: str, **options: Any) -> Asker:
    client = asker(**options)
    for name in names:
        assert client.create("111", classic(name)).status == 200
    return client


@settings(deadline=None)
@given(
    total=st.integers(0, 30),
    size=st.integers(1, 8),
    order=st.sampled_from(["newest_first", "oldest_first", "arbitrary"]),
    born=st.booleans(),
)
def test_pages_show_each_webhook_once(total: int, size: int, order: str, *, born: bool) -> None:
    """All pages together show a team's webhooks once each, full pages but for the last, with true counters."""
    client = asker(page_size=size, order=order, webhooks_per_team=total if born else 0)
    for _ in range(0 if born else total):
        client.create("111", classic())
    pages = max(1, -(-total // size))
    shown = [client.list("111", page) for page in range(1, pages + 1)]
    ids = [webhook["id"] for page in shown for webhook in page["_embedded"]["webhooks"]]
    oldest_first = [webhook["id"] for webhook in client.box.live("111")]
    if order == "arbitrary":
        assert sorted(ids) == sorted(oldest_first)
    else:
        assert ids == (oldest_first if order == "oldest_first" else oldest_first[::-1])
    for number, page in enumerate(shown, 1):
        assert (page["page"], page["page_size"], page["total_items"]) == (number, size, total)
        assert page["page_count"] == -(-total // size)
        assert len(page["_embedded"]["webhooks"]) == min(size, max(0, total - (number - 1) * size))


def test_next_and_previous() -> None:
    """A page links to the next only if there is one, and to the one before; or never, by setting."""
    client = _filled("abcde", page_size=2)
    assert [
        {name for name in client.list("111", page)["_links"] if name in {"next", "prev"}}
        for page in (1, 2, 3)
    ] == [{"next"}, {"next", "prev"}, {"prev"}]
    assert client.list("111", 2)["_links"]["next"]["href"] == "https://rest.doo.net/team/111/webhooks?page=3"
    assert set(_filled("abcde", page_size=2, next_link="missing").list("111", 2)["_links"]) == {
        "self",
        "first",
        "last",
    }


def test_beyond_the_last_page() -> None:
    """A page after the last is empty, or the last one again, or 404."""
    assert _names(_filled("abc", page_size=2).list("111", 9)) == []
    clamped = _filled("abc", page_size=2, beyond_last="clamped").list("111", 9)
    assert (_names(clamped), clamped["page"]) == (["a"], 2)
    client = _filled("abc", page_size=2, beyond_last="not_found")
    assert client.ask("GET", "/team/111/webhooks?page=3").status == 404
    assert _filled("", beyond_last="not_found").list("111")["page_count"] == 0


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "٣"])
def test_page_must_be_a_number(page: str) -> None:
    """A page that is no number of at least 1 is refused with 400."""
    client = asker()
    assert client.ask("GET", f"/team/111/webhooks?page={page}").status == 400


def test_counters_may_lie() -> None:
    """The number of webhooks and of pages can be anything, or left out."""
    page = _filled("ab", total_items=lambda true: true + 40, page_count=lambda _: None).list("111")
    assert page["total_items"] == 42
    assert "page_count" not in page


@pytest.mark.parametrize(
    ("style", "href"),
    [
        ("no_v1", "https://public.example/team/111/webhooks"),
        ("correct", "https://public.example/v1/team/111/webhooks"),
        ("other_host", "https://backend.example/v1/team/111/webhooks"),
    ],
)
def test_list_links(style: str, href: str) -> None:
    """A page's links lack the version, are right, or name another host."""
    client = asker(
        list_links=style, public_host="https://public.example", backend_host="https://backend.example"
    )
    links = client.list("111")["_links"]
    assert links == {
        "self": {"href": f"{href}?page=1"},
        "first": {"href": href},
        "last": {"href": f"{href}?page=1"},
    }


@pytest.mark.parametrize(
    ("style", "href"),
    [
        ("api_host", "https://backend.example/v1/webhooks/1"),
        ("collection", "https://backend.example/v1/team/111/webhooks"),
        ("correct", "https://public.example/v1/webhooks/1"),
    ],
)
def test_item_links(style: str, href: str) -> None:
    """A webhook's own link names another host, its team's list there, or is right."""
    client = _filled(
        "a",
        item_links=style,
        webhook_ids="counter",
        public_host="https://public.example",
        backend_host="https://backend.example",
    )
    assert client.list("111")["_embedded"]["webhooks"][0]["_links"] == {"self": {"href": href}}


def test_type_suffix() -> None:
    """Types of hooks with an origin carry 32 hex digits, two hooks different ones, in each list the same."""
    client = asker()
    client.create("111", graphql())
    client.create("111", classic())
    classical, queried = client.list("111")["_embedded"]["webhooks"]
    assert all(hook["type"] in {each["type"] for each in classic()["hooks"]} for hook in classical["hooks"])
    types = [hook["type"] for hook in queried["hooks"]]
    assert [re.sub("_[0-9a-f]{32}$", "", type_) for type_ in types] == ["event_created", "event_updated"]
    assert len({type_[-32:] for type_ in types}) == 2
    client.create("111", classic())
    assert client.list("111")["_embedded"]["webhooks"][2] == queried


def test_no_type_suffix() -> None:
    """Lists may show types as they were posted."""
    client = asker(type_suffix=False)
    client.create("111", graphql())
    assert client.list("111")["_embedded"]["webhooks"][0]["hooks"] == graphql()["hooks"]


@pytest.mark.parametrize("echo", [False, True])
def test_scope(*, echo: bool) -> None:
    """A list keeps the event or event guide of a webhook to itself, unless set to show it."""
    client = asker(echo_scope=echo)
    posted = classic() | {"event_id": "5", "event_guide_id": "6"}
    client.create("111", posted)
    shown = client.list("111")["_embedded"]["webhooks"][0]
    assert ({"event_id", "event_guide_id"} <= set(shown)) is echo
    assert client.box.live("111")[0]["event_id"] == "5"


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ("masked", {"client_id": "doo", "client_secret": "****"}),
        ("null", {"client_id": "doo", "client_secret": None}),
        ("missing", {"client_id": "doo"}),
    ],
)
def test_secrets(secrets: str, expected: dict[str, Any]) -> None:
    """A list may mask, blank or leave out the client secret, which doo still knows."""
    client = asker(secrets=secrets)
    posted = classic()
    client.create("111", posted)
    assert client.list("111")["_embedded"]["webhooks"][0]["authentication"]["credentials"] == expected
    assert client.box.live("111")[0]["authentication"] == posted["authentication"]


def test_unknown_members_come_back() -> None:
    """What doo does not know is kept as sent, at any depth, and shown in lists."""
    client = asker()
    posted = classic() | {"colour": {"deep": [1, None]}}
    posted["hooks"][0]["retries"] = 3
    client.create("111", posted)
    shown = client.list("111")["_embedded"]["webhooks"][0]
    assert shown["colour"] == {"deep": [1, None]}
    assert shown["hooks"][0]["retries"] == 3


def test_what_no_create_would_accept() -> None:
    """A webhook put there by the test may be as odd as the test likes and is still listed."""
    client = asker(secrets="masked")
    for odd in (
        {"name": "x"},
        {"hooks": None},
        {"hooks": ["x", {"origin": 1}], "authentication": {"credentials": 1}},
    ):
        client.box.add_webhook("111", odd)
    assert len(client.list("111")["_embedded"]["webhooks"]) == 3


def test_replica_lag() -> None:
    """With a lag, lists show created, edited and deleted webhooks as they were that long ago."""
    client = asker(replica_lag=10.0)
    client.now = 100.0
    client.box.advance(100.0)
    client.box.add_webhook("111", classic("from the start"))
    webhook_id = read(client.create("111", classic("new")))["data"]
    assert _names(client.list("111")) == ["from the start"]
    client.now = 109.5
    assert _names(client.list("111")) == ["from the start"]
    client.now = 110.0
    assert _names(client.list("111")) == ["new", "from the start"]
    client.box.foreign_edit(webhook_id, classic("edited"))
    assert _names(client.list("111")) == ["new", "from the start"]
    client.now = 120.0
    assert _names(client.list("111")) == ["edited", "from the start"]
    client.delete(webhook_id)
    assert _names(client.list("111")) == ["edited", "from the start"]
    client.now = 130.0
    assert _names(client.list("111")) == ["from the start"]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
def test_the_past_has_the_same_order(order: str) -> None:
    """A deleted webhook that a list still shows stands where it stood."""
    client = _filled("abc", order=order, replica_lag=10.0)
    client.now = 100.0
    before = _names(client.list("111"))
    client.delete(client.box.live("111")[1]["id"])
    assert _names(client.list("111")) == before
    client.now = 110.0
    assert _names(client.list("111")) == [name for name in before if name != "b"]


def test_pages_are_kept_within_bounds() -> None:
    """The box remembers the pages it has written, but not a million of them."""
    client = asker(organizations=1100, webhooks_per_team=1)
    for team in client.box.teams:
        client.list(team)
    assert len(client.box._backend._pages) == 1024


def test_settings_are_checked() -> None:
    """A value that a setting does not have is refused, and so is a setting that does not exist."""
    with pytest.raises(ValueError, match="order is one of"):
        asker(order="random")
    with pytest.raises(TypeError):
        asker(oder="newest_first")
