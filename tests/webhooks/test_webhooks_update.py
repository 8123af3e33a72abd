"""The update that doo lacks: create the changed copy, see it, delete the old one, see that it is gone."""

from __future__ import annotations

import logging
import secrets
from typing import Any

import pytest
from unlimited_session import config, kinds, practice, session

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Facts,
    Hook,
    NotCopyable,
    NotFound,
    Secret,
    UnstableListing,
    Update,
    events,
)
from aiodoo.sandbox import Sandbox, classic, graphql

Content = dict[str, Any]


def odd(name: str = "odd") -> Content:
    """A webhook with fields that nobody knows, at every depth."""
    content = graphql(name, endpoint="https://crm.example:8443/doo?x=1")
    content["x_flag"] = True
    content["x_list"] = [1, {"deep": [None, "text", 1.5]}]
    content["hooks"][0]["x_hook"] = {"weight": 3}
    content["hooks"][1]["origin"]["x_origin"] = ["a", "b"]
    content["authentication"]["x_login"] = "kept"
    content["authentication"]["credentials"]["x_credentials"] = {"kept": 1}
    return content


def without_id(content: Content) -> Content:
    """Content as it was posted."""
    return {name: value for name, value in content.items() if name != "id"}


def only(box: Sandbox, team: str = "111") -> Content:
    """The one webhook of a team."""
    [webhook] = box.live(team)
    return webhook


def never_fewer(box: Sandbox, wanted: int) -> None:
    """See in the log that there were never fewer live webhooks than now, and that each delete was looked for."""
    live = wanted
    for change in reversed(box.log.changes):
        assert live >= wanted
        live -= {"created": 1, "deleted": -1}[change.what] if isinstance(change.by, int) else 0
    requests = [each.kind for each in box.log.requests]
    for number, kind in enumerate(requests):
        if kind == "delete":
            assert "list" in requests[:number]
            assert requests[number - 1] in {"list", "delete"}


@pytest.mark.parametrize(("size", "pages"), [(1, 1), (6, 1), (8, 2), (13, 2), (15, 3), (20, 3)])
async def test_what_it_costs(size: int, pages: int) -> None:
    """Five requests on a team of one page, 4 p + 2 and two looks on p pages: the new one is first, the old one was last."""
    async with practice(webhooks_per_team=size, page_size=7) as (doo, box):
        await doo.webhooks.update("111", box.live("111")[0]["id"], name="new")
        assert len(kinds(box)) == (5 if pages == 1 else 4 * pages + 4)
        assert len(box.live("111")) == size


async def test_a_full_page_costs_one_more() -> None:
    """While both are live, the copy may stand on a page of its own: as many as there are at that moment."""
    async with practice(webhooks_per_team=7, page_size=7) as (doo, box):
        await doo.webhooks.update("111", box.live("111")[0]["id"], name="new")
        assert kinds(box) == ["list", "create", "list", "list", "delete", "list"]


async def test_the_order_of_the_steps() -> None:
    """Look, create, look, delete, look: the old one goes only after the new one was seen."""
    async with practice(webhooks_per_team=3) as (doo, box):
        old = box.live("111")[1]
        new_id = await doo.webhooks.update("111", old["id"], name="new")
        assert kinds(box) == ["list", "create", "list", "delete", "list"]
        created, deleted = (change for change in box.log.changes if isinstance(change.by, int))
        assert (created.what, created.webhook_id) == ("created", new_id)
        assert (deleted.what, deleted.webhook_id) == ("deleted", old["id"])
        assert new_id != old["id"]


@pytest.mark.parametrize("type_suffix", [True, False])
async def test_nothing_is_lost(*, type_suffix: bool) -> None:
    """Every field stays as it was, known or not, at any depth; only the change is another."""
    async with practice(type_suffix=type_suffix) as (doo, box):
        content = odd()
        old_id = box.add_webhook("111", content)
        new_id = await doo.webhooks.update("111", old_id, name="new")
        assert only(box) == content | {"name": "new", "id": new_id}
        never_fewer(box, 1)


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "new"}, {"name": "new"}),
    ({"description": "other"}, {"description": "other"}),
    ({"event_id": "4711"}, {"event_id": "4711"}),
    ({"event_guide_id": "12"}, {"event_guide_id": "12"}),
    (
        {"hooks": [Hook(type="order_created", endpoint="https://shop.example")]},
        {"hooks": [{"type": "order_created", "method": "POST", "endpoint": "https://shop.example"}]},
    ),
    (
        {"name": "new", "description": "other", "event_id": "1"},
        {"name": "new", "description": "other", "event_id": "1"},
    ),
]


@pytest.mark.parametrize(("changes", "seen"), CHANGES, ids=lambda value: " ".join(sorted(value)))
async def test_each_change(changes: dict[str, Any], seen: Content) -> None:
    """What is named changes, what is not named stays."""
    async with practice() as (doo, box):
        content = odd()
        old_id = box.add_webhook("111", content)
        new_id = await doo.webhooks.update("111", old_id, **changes)
        assert only(box) == content | seen | {"id": new_id}


async def test_removing_the_login() -> None:
    """`authentication=None` takes doo's login away."""
    async with practice() as (doo, box):
        content = odd()
        await doo.webhooks.update("111", box.add_webhook("111", content), authentication=None)
        assert "authentication" not in only(box)
        del content["authentication"]
        assert without_id(only(box)) == content


@pytest.mark.parametrize("kind", [str, Secret])
async def test_rotating_the_secret(kind: type[Any]) -> None:
    """A new secret takes the place of the old one; everything else stays."""
    async with practice() as (doo, box):
        content, secret = odd(), secrets.token_hex()
        await doo.webhooks.update("111", box.add_webhook("111", content), client_secret=kind(secret))
        content["authentication"]["credentials"]["client_secret"] = secret
        assert without_id(only(box)) == content


async def test_moving_hosts() -> None:
    """Endpoints move, doo's own GraphQL endpoint never does, and the rest of each URL stays."""
    async with practice() as (doo, box):
        content = odd()
        hosts = {"crm.example": "crm2.example", "gql.doo.net": "evil.example"}
        await doo.webhooks.update("111", box.add_webhook("111", content), hosts=hosts)
        live = only(box)
        assert {hook["endpoint"] for hook in live["hooks"]} == {"https://crm2.example:8443/doo?x=1"}
        assert {hook["origin"]["endpoint"] for hook in live["hooks"]} == {"https://gql.doo.net"}
        assert live["authentication"]["endpoint"] == "https://crm2.example:8443/doo?x=1"
        assert "evil.example" not in str(live)


async def test_a_change_that_changes_nothing() -> None:
    """What is as wanted already keeps its id, for the price of one look."""
    async with practice() as (doo, box):
        old_id = box.add_webhook("111", odd())
        for changes in ({}, {"name": "odd"}, {"hosts": {"other.example": "new.example"}}):
            assert await doo.webhooks.update("111", old_id, **changes) == old_id
        assert kinds(box) == ["list"] * 3


async def test_one_of_two_twins() -> None:
    """Two equal webhooks: the one that is named changes, the other one stays."""
    async with practice() as (doo, box):
        content = odd()
        first, second = box.add_webhook("111", content), box.add_webhook("111", content)
        new_id = await doo.webhooks.update("111", second, name="new")
        assert [item["id"] for item in box.live("111")] == [first, new_id]
        assert without_id(box.live("111")[0]) == content


async def test_others_are_left_alone() -> None:
    """Neither another webhook nor another team changes."""
    async with practice(organizations=2, webhooks_per_team=9, page_size=7) as (doo, box):
        old, *others = box.live("111")
        elsewhere = box.live("112")
        await doo.webhooks.update("111", old["id"], hosts={"crm.example": "crm2.example"})
        assert box.live("111")[:-1] == others
        assert box.live("112") == elsewhere
        never_fewer(box, 9)


async def test_replace() -> None:
    """The whole content is the new one's; nothing of the old one is kept."""
    async with practice() as (doo, box):
        login = Authentication(
            endpoint="https://crm.example/token",
            credentials=ClientCredentials(client_secret=secrets.token_hex()),
        )
        wanted = AddWebhook(
            name="crm",
            hooks=[
                Hook.graphql("event_created", endpoint="https://crm.example/doo", query="{ event { id } }")
            ],
            authentication=login,
            extra={"x_custom": {"kept": True}},
        )
        old_id = box.add_webhook("111", odd())
        new_id = await doo.webhooks.replace("111", old_id, wanted)
        assert only(box) == wanted.to_dict(secrets="reveal") | {"id": new_id}
        assert kinds(box) == ["list", "create", "list", "delete", "list"]
        assert await doo.webhooks.replace("111", new_id, wanted) == new_id
        assert kinds(box)[5:] == ["list"]
        never_fewer(box, 1)


async def test_ids_may_be_numbers() -> None:
    """Team and webhook may be named by numbers."""
    async with practice(webhooks_per_team=1, webhook_ids="counter") as (doo, box):
        new_id = await doo.webhooks.update(111, int(only(box)["id"]), name="new")
        assert only(box)["id"] == new_id
        assert await doo.webhooks.replace(111, int(new_id), config()) == only(box)["id"]


@pytest.mark.parametrize("call", ["update", "replace"])
async def test_what_is_not_there(call: str) -> None:
    """A webhook that the team's list does not have, and a team that is not there: NotFound after one look."""
    async with practice(organizations=2, webhooks_per_team=2) as (doo, box):
        of_another_team = box.live("112")[0]["id"]
        before = box.live("111")
        for team, webhook_id in (("111", "no-such-id"), ("111", of_another_team), ("999", before[0]["id"])):
            change = (
                doo.webhooks.update(team, webhook_id, name="new")
                if call == "update"
                else doo.webhooks.replace(team, webhook_id, config())
            )
            with pytest.raises(NotFound):
                await change
        assert kinds(box) == ["list"] * 3
        assert box.live("111") == before


@pytest.mark.parametrize("shown", ["masked", "null", "missing"])
async def test_a_secret_that_doo_hides(shown: str) -> None:
    """A copy would lose the secret, so it is refused; with a new one, or a new login, it is made."""
    async with practice(secrets=shown) as (doo, box):
        content = odd()
        old_id = box.add_webhook("111", content)
        with pytest.raises(NotCopyable, match="client_secret="):
            await doo.webhooks.update("111", old_id, name="new")
        assert kinds(box) == ["list"]
        assert without_id(only(box)) == content
        secret = secrets.token_hex()
        new_id = await doo.webhooks.update("111", old_id, client_secret=secret)
        assert only(box)["id"] == new_id != old_id
        assert only(box)["authentication"]["credentials"] == {
            "client_id": "doo",
            "client_secret": secret,
            "x_credentials": {"kept": 1},
        }
        assert await doo.webhooks.update("111", new_id, authentication=None) == only(box)["id"]


async def test_without_hooks_to_copy() -> None:
    """A webhook whose hooks the list does not show is not copied, unless new ones are given."""
    async with practice() as (doo, box):
        old_id = box.add_webhook("111", {"name": "bare", "description": "", "hooks": None})
        with pytest.raises(NotCopyable):
            await doo.webhooks.update("111", old_id, name="new")
        assert kinds(box) == ["list"]
        await doo.webhooks.update(
            "111", old_id, hooks=[Hook(type="order_created", endpoint="https://shop.example")]
        )
        assert len(only(box)["hooks"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"hooks": []},
        {"hooks": [Hook(type="event_created", endpoint="nowhere")]},
        {"hosts": {"crm.example": "https://crm2.example"}},
        {"hosts": {"crm.example": "crm2.example/path"}},
        {"client_secret": ""},
    ],
    ids=lambda changes: str(sorted(changes.items()))[:40],
)
async def test_a_copy_that_cannot_be_right(changes: dict[str, Any]) -> None:
    """A change that makes something doo could only refuse is a ConfigError: nothing was changed or is in doubt."""
    async with practice() as (doo, box):
        content = odd()
        old_id = box.add_webhook("111", content)
        with pytest.raises(ConfigError):
            await doo.webhooks.update("111", old_id, **changes)
        assert set(kinds(box)) <= {"list"}
        assert without_id(only(box)) == content


@pytest.mark.parametrize("changes", [{"colour": "blue"}, {"id": "12"}, {"extra": {}}])
async def test_a_change_that_is_none(changes: dict[str, Any]) -> None:
    """A change of another name is refused before anything is sent."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError, match="cannot change"):
            await doo.webhooks.update("111", "12", **changes)
        assert box.log.total == 0


async def test_a_replacement_is_checked_first() -> None:
    """A configuration that cannot be right costs nothing, not even the look."""
    async with practice(webhooks_per_team=1) as (doo, box):
        with pytest.raises(ConfigError, match="hooks is empty"):
            await doo.webhooks.replace("111", only(box)["id"], AddWebhook(name="crm", hooks=[]))
        assert box.log.total == 0


@pytest.mark.parametrize(("team", "webhook_id"), [("a/b", "12"), ("111", ".."), ("", "12"), ("111", None)])
async def test_ids_that_cannot_be_any(team: Any, webhook_id: Any) -> None:
    """No request is built from them."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError):
            await doo.webhooks.update(team, webhook_id, name="new")
        with pytest.raises(ConfigError):
            await doo.webhooks.replace(team, webhook_id, config())
        assert box.log.total == 0


async def test_a_copy_that_may_widen_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A list may hide what a webhook is bound to, so a copy that shows no bond is warned of, with both ids."""
    caplog.set_level(logging.WARNING, "aiodoo.webhooks")
    async with practice() as (doo, box):
        old_id = box.add_webhook("111", classic() | {"event_id": "4711"})
        new_id = await doo.webhooks.update("111", old_id, name="new")
        [record] = caplog.records
        assert old_id in record.getMessage()
        assert new_id in record.getMessage()
        assert "event_id=" in record.getMessage()


async def test_a_copy_that_cannot_widen_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """No warning if the bond is given, if nothing was copied, for a replacement, or if lists are known to show it."""
    caplog.set_level(logging.WARNING, "aiodoo.webhooks")
    async with practice(echo_scope=True) as (doo, box):
        old_id = box.add_webhook("111", classic("old"))
        await doo.webhooks.update("111", old_id, name="old")
        bound = await doo.webhooks.update("111", old_id, event_id="4711")
        new_id = await doo.webhooks.replace("111", bound, config())
        async with session(box, facts=Facts(list_echoes_scope=True)) as sure:
            await sure.webhooks.update("111", new_id, name="new")
    assert caplog.records == []


async def test_a_list_that_shows_the_bond_keeps_it() -> None:
    """Where the list shows event_id, the copy has it as well."""
    async with practice(echo_scope=True) as (doo, box):
        old_id = box.add_webhook("111", classic() | {"event_id": "4711", "event_guide_id": "12"})
        await doo.webhooks.update("111", old_id, name="new")
        assert (only(box)["event_id"], only(box)["event_guide_id"]) == ("4711", "12")


async def test_a_team_that_never_holds_still() -> None:
    """Nothing is changed in a team whose list cannot be trusted."""
    async with practice(webhooks_per_team=20, page_size=7) as (_, box):
        old_id = box.live("111")[0]["id"]

        def swap(event: events.Event) -> None:
            if isinstance(event, events.Answered):
                box.foreign_create("111", classic())
                box.foreign_delete(box.live("111")[5]["id"])

        async with session(box, on_event=swap) as doo:
            with pytest.raises(UnstableListing):
                await doo.webhooks.update("111", old_id, name="new")
        assert set(kinds(box)) == {"list"}
        assert old_id in {item["id"] for item in box.live("111")}


async def test_a_whole_url_moves() -> None:
    """What called the old URL calls the new one, with fields that nobody knows; others stay as they are."""
    async with practice(organizations=1) as (doo, box):
        old_id = box.add_webhook("111", odd())
        [old] = await doo.webhooks.list("111").collect()
        old_url, new_url = old.hooks[0].endpoint, "https://crm2.example/events"
        new_id = await doo.webhooks.update("111", old_id, endpoints={old_url: new_url})
        assert only(box)["id"] == new_id
        expected = odd()
        for hook in expected["hooks"]:
            hook["endpoint"] = new_url
        expected["authentication"]["endpoint"] = new_url
        expected["authentication"]["credentials"] = only(box)["authentication"]["credentials"]
        assert without_id(only(box)) == expected
        report = await doo.bulk.run([Update("111", new_id, endpoints={new_url: old_url})], settle=1)
        assert report.complete
        assert only(box)["hooks"][0]["endpoint"] == old_url
