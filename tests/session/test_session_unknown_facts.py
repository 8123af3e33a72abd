"""What doo does not document, as settings of the sandbox: what the session makes of either answer; over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from unlimited_session import config, practice, session

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    Facts,
    Hook,
    InvalidRequest,
    Limits,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    Session,
)
from aiodoo.sandbox import Plan, Sandbox


@asynccontextmanager
async def knowing(facts: Facts, **settings: Any) -> AsyncIterator[tuple[Session, Sandbox]]:
    """Open a session that takes something for a fact, on a sandbox in which it is so."""
    async with Sandbox(plan=None, organizations=1, **settings) as box, session(box, facts=facts) as doo:
        yield doo, box


def hook(type_: str = "event_created", *, graphql: bool = False) -> Hook:
    """Return a hook, with a payload of its own or without."""
    if graphql:
        return Hook.graphql(type=type_, endpoint="https://crm.example/doo", query="{event {id}}")
    return Hook(type=type_, endpoint="https://crm.example/doo")


async def test_a_token_may_be_refused_with_403() -> None:
    """Who knows that fetches another one, once; who does not is told so."""
    async with knowing(Facts(token_refused={401, 403}), token_refused_status=403) as (doo, box):
        await doo.webhooks.list("111").collect()
        box.revoke_tokens()
        assert await doo.webhooks.list("111").collect() == []
        assert box.count("token") == 2
    async with knowing(Facts(), token_refused_status=403) as (doo, box):
        await doo.webhooks.list("111").collect()
        box.revoke_tokens()
        with pytest.raises(PermissionDenied, match="Access denied"):
            await doo.webhooks.list("111").collect()
        assert box.count("token") == 1


@pytest.mark.parametrize(
    "settings",
    [{"response_status": "text"}, {"response_status": "text", "organizations_shape": "data"}],
    ids=str,
)
async def test_the_status_may_be_repeated_as_text(settings: dict[str, Any]) -> None:
    """In every envelope: of tokens, creates, organizations, initializations and errors."""
    async with practice(**settings) as (doo, _):
        assert await doo.webhooks.create("111", config())
        assert (await doo.organizations.active_team()).id == "111"
        assert await doo.webhooks.initialize("events", organization_id=1) == 123
        with pytest.raises(NotFound) as error:
            await doo.webhooks.create("999", config())
        assert error.value.status == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"refusals": "message"},
        {"refusals": "data"},
        {"refusals": "data", "error_type": "application/problem+json"},
    ],
    ids=str,
)
async def test_a_refusal_may_give_its_reason_elsewhere(settings: dict[str, Any]) -> None:
    """It is refused in any case, and nothing is there; the answer itself holds the reason."""
    async with practice(unique_names=True, **settings) as (doo, box):
        await doo.webhooks.create("111", config())
        with pytest.raises(InvalidRequest) as error:
            await doo.webhooks.create("111", config())
        assert error.value.status == 400
        assert len(box.live("111")) == 1
        url, token = f"{box.url}/team/111/webhooks", await _token(box)
        headers = {"x-api-key": box.api_key, "Authorization": f"Bearer {token}"}
        body = config().to_dict(secrets="reveal")
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json=body) as answer:
            told = await answer.json(content_type=None)
            assert answer.content_type == settings.get("error_type", "application/json")
        reason = "name is taken by another webhook configuration of this team"
        assert told["data" if settings["refusals"] == "data" else "user_message"] == reason


async def _token(box: Sandbox) -> str:
    own = {
        "client_id": box.client_id,
        "client_secret": box.client_secret,
        "grant_type": "client_credentials",
    }
    async with (
        aiohttp.ClientSession(headers={"x-api-key": box.api_key}) as http,
        http.post(f"{box.url}/oauth", json=own) as answer,
    ):
        token: str = (await answer.json())["data"]["access_token"]
        return token


def login(client_id: str) -> Authentication:
    """Return an authentication with a client id."""
    return Authentication(
        endpoint="https://crm.example/token",
        credentials=ClientCredentials(client_id=client_id, client_secret="of the test"),
    )


BOTH = config(event_id="1", event_guide_id="2")
MADE: list[tuple[dict[str, Any], AddWebhook, AddWebhook]] = [
    # The setting, what it refuses, and what it lets through.
    ({"both_scopes": "refused"}, BOTH, config(event_guide_id="2")),
    ({"origin_required": True}, config(), AddWebhook(name="crm", hooks=[hook(graphql=True)])),
    (
        {"client_ids": "doo"},
        config(authentication=login("another")),
        config(authentication=login("doo")),
    ),
    ({"hook_types": {"order_created"}}, config(), AddWebhook(name="crm", hooks=[hook("order_created")])),
    ({"description_empty": False}, config(description=""), config(description="x")),
    ({"description_required": True, "description_empty": False}, config(description=""), config()),
]


@pytest.mark.parametrize(("setting", "refused", "fine"), MADE, ids=[str(setting) for setting, *_ in MADE])
async def test_what_a_create_may_be_refused_for(
    setting: dict[str, Any], refused: AddWebhook, fine: AddWebhook
) -> None:
    """With the setting one is refused; without it both pass, and are kept as they were sent."""
    async with practice(**setting) as (doo, box):
        with pytest.raises(InvalidRequest):
            await doo.webhooks.create("111", refused)
        assert box.live("111") == []
        await doo.webhooks.create("111", fine)
    async with practice() as (doo, box):
        for made in (refused, fine):
            await doo.webhooks.create("111", made)
        assert [item.get("event_id") for item in box.live("111")] == [
            refused.event_id,
            fine.event_id,
        ]


@pytest.mark.parametrize("setting", [{"unique_names": True}, {"webhooks_at_most": 1}], ids=str)
async def test_a_team_may_take_no_more(setting: dict[str, Any]) -> None:
    """A second one of a name, or one too many, is refused; once the first is gone it passes."""
    async with practice(**setting) as (doo, box):
        first = await doo.webhooks.create("111", config())
        with pytest.raises(InvalidRequest):
            await doo.webhooks.create("111", config(endpoint="https://crm.example/other"))
        await doo.webhooks.create("112", config())
        await doo.webhooks.delete(first)
        await doo.webhooks.create("111", config())
        assert len(box.live("111")) == 1


async def test_a_delete_may_be_refused_because_it_carries_a_token() -> None:
    """Who knows that sends none."""
    async with knowing(Facts(), webhooks_per_team=1, delete_refuses_bearer=True) as (doo, box):
        with pytest.raises(InvalidRequest):
            await doo.webhooks.delete(box.live("111")[0]["id"])
        assert len(box.live("111")) == 1
    without = Facts(delete_sends_bearer=False)
    async with knowing(without, webhooks_per_team=1, delete_refuses_bearer=True) as (doo, box):
        await doo.webhooks.delete(box.live("111")[0]["id"])
        assert box.live("111") == []


INITIALIZED: list[tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = [
    # The setting, what it refuses (None: whatever is sent), and what it lets through.
    (
        {"init_types": "without_on"},
        {"webhook_types": ["on_event_created"]},
        {"webhook_types": ["event_created"]},
    ),
    (
        {"init_types": "with_on"},
        {"webhook_types": ["event_created"]},
        {"webhook_types": ["on_event_created"]},
    ),
    ({"rate_at_most": 50}, {"max_rate_per_min": 51}, {"max_rate_per_min": 50}),
    ({"rate_at_most": 100}, {"max_rate_per_min": 101}, {"max_rate_per_min": 100}),
    ({"init_ids": "number"}, None, {}),
]


@pytest.mark.parametrize(
    ("setting", "refused", "fine"), INITIALIZED, ids=[str(row[0]) for row in INITIALIZED]
)
async def test_what_an_initialization_may_be_refused_for(
    setting: dict[str, Any], refused: dict[str, Any] | None, fine: dict[str, Any]
) -> None:
    """What is sent is what was written; ids are sent as numbers, however they are given."""
    async with practice(**setting) as (doo, _):
        if refused is not None:
            with pytest.raises(InvalidRequest):
                await doo.webhooks.initialize("events", organization_id="70001", **refused)
        assert await doo.webhooks.initialize("events", organization_id="70001", **fine) == 123
    if refused is not None:
        async with practice() as (doo, _):
            assert await doo.webhooks.initialize("events", organization_id="70001", **refused) == 123


async def test_an_initialization_may_want_its_ids_as_text() -> None:
    """The session sends numbers, as all of doo's examples do, and says what doo says of that."""
    async with practice(init_ids="string") as (doo, _):
        with pytest.raises(InvalidRequest, match="organization_id must be a string"):
            await doo.webhooks.initialize("events", organization_id="70001")


async def test_an_initialization_of_what_is_not_there() -> None:
    """It may be accepted like any other, with or without items, or refused."""
    for settings, sent in (({}, 123), ({"existing_items": 0}, 0)):
        async with practice(**settings) as (doo, _):
            call = doo.webhooks.initialize("events", organization_id=1, webhook_configuration_id="nope")
            assert await call == sent
    async with practice(unknown_configuration_status=404, webhooks_per_team=1) as (doo, box):
        known = str(box.live("111")[0]["id"])
        assert (
            await doo.webhooks.initialize("events", organization_id=1, webhook_configuration_id=known) == 123
        )
        with pytest.raises(NotFound):
            await doo.webhooks.initialize("events", organization_id=1, webhook_configuration_id="nope")


@pytest.mark.parametrize(("counted", "lists"), [(True, 2), (False, 3)])
async def test_token_requests_may_count(counted: bool, lists: int) -> None:  # noqa: FBT001
    """They are counted here, which is right in one case and careful in the other: it is never refused."""
    plan = Plan(per_second=None, per_day=3, counts_tokens=counted)
    async with Sandbox(plan=plan, organizations=1) as box:
        async with session(box) as doo:  # keeps no limits, so that doo says where they are
            for _ in range(lists):
                await doo.webhooks.list("111").collect()
            with pytest.raises(QuotaExhausted):
                await doo.webhooks.list("111").collect()
        assert (box.count("token"), box.count("list", 200), box.count("list", 429)) == (1, lists, 1)
        box.reset()
        async with session(box, limits=Limits(per_second=None, per_day=3, reserve=0)) as doo:
            for _ in range(2):
                await doo.webhooks.list("111").collect()
            with pytest.raises(QuotaExhausted):
                await doo.webhooks.list("111").collect()
            assert box.count(status=429) == 0


async def test_a_day_may_begin_at_any_time() -> None:
    """A calendar day that ends soon gives its requests anew; a day that slides does not."""
    for counting, fresh in (("calendar", True), ("sliding", False)):
        plan = Plan(
            per_second=None,
            per_day=2,
            per_day_counting=counting,
            day_offset=86_400 - 1.5,
            counts_tokens=False,  # type: ignore[arg-type]
        )
        async with Sandbox(plan=plan, organizations=1) as box, session(box) as doo:
            began = time.monotonic()
            for _ in range(2):
                await doo.webhooks.list("111").collect()
            with pytest.raises(QuotaExhausted):
                await doo.webhooks.list("111").collect()
            await asyncio.sleep(max(0.0, began + 1.6 - time.monotonic()))
            async with session(box) as another:  # the first one believes for an hour that the day is spent
                if fresh:
                    assert await another.webhooks.list("111").collect() == []
                else:
                    with pytest.raises(QuotaExhausted):
                        await another.webhooks.list("111").collect()
