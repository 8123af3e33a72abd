"""What has no method: one request below the base URL, within the quota, and a change in doubt is never repeated."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from unlimited_session import config, kinds, practice, session

from aiodoo import (
    ConfigError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Secret,
    ServerError,
    TransportError,
    events,
)
from aiodoo.sandbox import Fault, Sandbox

ORGANIZATIONS = "/organizers/current/organizations"


async def test_a_get_returns_the_parsed_answer() -> None:
    """It is asked with the session's token and key, and costs one request."""
    async with practice(organizations=2, organizations_page_size=1) as (doo, box):
        answer = await doo.request("GET", ORGANIZATIONS)
        assert [str(each["id"]) for each in answer["_embedded"]["organizations"]] == [box.organizations[0].id]
        second = await doo.request("get", ORGANIZATIONS, params={"page": 2})
        assert second != answer
        assert [each.page for each in box.log.requests if each.kind == "organizations"] == [None, "2"]


async def test_a_post_sends_its_body() -> None:
    """What is given as json arrives; a Secret in it in clear."""
    wanted = config().to_dict() | {"x_token": (token := Secret(secrets.token_hex()))}
    async with practice(organizations=1) as (doo, box):
        answer = await doo.request("POST", "/team/111/webhooks", json=wanted)
        [live] = box.live("111")
        assert answer["data"] == live["id"]
        assert live["x_token"] == token.reveal()


async def test_an_answer_without_a_body_is_none() -> None:
    """Such as a 204."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault("replaced", on="organizations", status=204, body=b""))
        assert await doo.request("GET", ORGANIZATIONS) is None


async def test_it_is_within_the_quota_and_counted() -> None:
    """It takes a slot like any other, in the lane of who asks."""
    async with practice(organizations=1) as (doo, _):
        await doo.organizations.active_team()
        used = doo.stats.requests.total()
        await doo.request("GET", ORGANIZATIONS)
        await doo.background().request("GET", ORGANIZATIONS)
        assert doo.stats.requests.total() == used + 2


async def test_a_get_is_repeated_as_a_list_is() -> None:
    """A lost answer to a GET does no harm."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault("lost_after", on="organizations", times=2))
        assert await doo.request("GET", ORGANIZATIONS)
        assert kinds(box) == ["organizations"] * 3


@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
async def test_a_post_in_doubt_is_never_repeated(fault: Any) -> None:
    """It may or may not have happened, and the error says so."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault(fault, on="create"))
        with pytest.raises(
            OutcomeUnknown, match=r"whether POST /team/111/webhooks happened.*It was not sent again"
        ):
            await doo.request("POST", "/team/111/webhooks", json=config().to_dict())
        assert kinds(box) == ["create"]


async def test_a_post_that_is_proven_not_to_have_happened_is_repeated() -> None:
    """After a 429, and where the token was refused."""
    async with practice(organizations=1) as (doo, box):
        box.script(Fault("too_many", on="create"), Fault("unauthorized", on="create"))
        await doo.request("POST", "/team/111/webhooks", json=config().to_dict())
        assert len(box.live("111")) == 1
        assert kinds(box) == ["create"] * 3


async def test_a_refusal_is_raised() -> None:
    """As by every other method."""
    async with practice(organizations=1) as (doo, _):
        with pytest.raises(InvalidRequest, match="doo refused POST /team/111/webhooks"):
            await doo.request("POST", "/team/111/webhooks", json={"name": 1})
        with pytest.raises(NotFound):
            await doo.request("GET", "/team/999/webhooks")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "organizers/current",
        "//evil.example/x",
        "https://evil.example/x",
        "/../oauth2",
        "/a/../../b",
        "/a/./b",
        "/a//b",
        "/a/%2e%2e/b",
        "/a%2f..%2fb",
        "/a?x=1",
        "/a#b",
        "/a\\b",
        "/a b",
        "/a\nb",
        "/ä",
        "/a/..",
        "/" + "a" * 3000,
        "/\\evil.example",
        3,
        None,
        b"/a",
    ],
    ids=lambda path: repr(path)[:20],
)
async def test_a_path_that_leads_elsewhere_is_refused(path: Any) -> None:
    """Before anything is sent: neither another host nor what is above the base URL."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError, match="below the base URL"):
            await doo.request("GET", path)
        assert box.log.total == 0


@pytest.mark.parametrize("path", ["/webhooks/12", "/webhooks/12/", "/WEBHOOKS/12", "/team/111/webhooks/12"])
async def test_a_delete_of_webhooks_is_refused(path: str) -> None:
    """It would look at nothing before; in any spelling of the method."""
    async with practice(organizations=1) as (doo, box):
        for method in ("DELETE", "delete"):
            with pytest.raises(ConfigError, match=r"webhooks\.delete"):
                await doo.request(method, path)
        assert box.log.total == 0


async def test_tokens_are_not_asked_for_so() -> None:
    """A token of one's own could end the session's."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError):
            await doo.request("POST", "/oauth", json={})
        assert box.log.total == 0


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("HEAD", {}),
        ("", {}),
        (3, {}),
        ("GET", {"json": {}}),
        ("POST", {"json": object()}),
        ("POST", {"json": {}, "params": 3}),
        ("POST", {"json": {"a": float("nan")}}),
        ("POST", {"json": [float("inf")]}),
        ("POST", {"json": {"a": b"bytes"}}),
        ("POST", {"json": {"a": {1, 2}}}),
        ("POST", {"json": {1: 2}}),
        ("POST", {"json": {"a": config()}}),
        ("POST", {"json": datetime(2026, 1, 1, tzinfo=UTC)}),
        ("POST", {"json": Decimal("1.5")}),
        ("POST", {"json": {"a": "\ud800"}}),
        ("GET", {"params": {"a": None}}),
        ("GET", {"params": "a=1"}),
    ],
)
async def test_what_cannot_be_sent_is_refused(method: Any, options: Any) -> None:
    """With words for what is wrong."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError):
            await doo.request(method, ORGANIZATIONS, **options)
        assert box.log.total == 0


async def test_parameters_are_encoded() -> None:
    """Whatever is in them, they lead nowhere else."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(InvalidRequest):
            await doo.request("GET", ORGANIZATIONS, params={"page": "1&x=2#/../é"})
        [asked] = [each for each in box.log.requests if each.kind == "organizations"]
        assert asked.page == "1&x=2#/../é"


@pytest.mark.parametrize("body", [[1, 2], (1, 2), "text", 3, 1.5, True, [{"a": []}], {"a": None}])
async def test_any_json_can_be_sent(body: Any) -> None:
    """Not only objects; what doo says to it is raised."""
    async with practice(organizations=1) as (doo, _):
        with pytest.raises(InvalidRequest):
            await doo.request("POST", "/team/111/webhooks", json=body)


async def test_a_secret_in_it_shows_nowhere() -> None:
    """Neither in the error nor in an event, also if doo repeats it."""
    token = Secret(secrets.token_hex(), source=None)
    told: list[events.Event] = []
    async with Sandbox(organizations=1, plan=None) as box, session(box, on_event=told.append) as doo:
        said = b'{"response_status": 400, "user_message": "%b is wrong"}' % token.reveal().encode()
        box.script(Fault("replaced", on="create", status=400, body=said))
        with pytest.raises(InvalidRequest) as caught:
            await doo.request("POST", "/team/111/webhooks", json={"client_secret": token})
        assert token.reveal() not in str(caught.value)
        assert token.reveal() not in repr(told)
        assert {each.kind for each in told} == {"token", "write"}


async def test_a_server_error_to_a_post_is_in_doubt() -> None:
    """While one to a GET is tried again and raised at last."""
    async with practice(organizations=1) as (doo, box):
        box.script(
            Fault("error_acted", on="create", status=500),
            Fault("error_not_acted", on="organizations", status=503, times=3),
        )
        with pytest.raises(OutcomeUnknown):
            await doo.request("POST", "/team/111/webhooks", json=config().to_dict())
        with pytest.raises((ServerError, TransportError, RateLimited)):
            await doo.request("GET", ORGANIZATIONS)
