"""A single create: checked before it is sent, sent once, and never a second time on a doubt."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from unlimited_session import config, kinds, practice

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    DooError,
    Hook,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    ServerError,
    TransportError,
)
from aiodoo.sandbox import Fault


def login(**fields: Any) -> Authentication:
    """How doo logs in, with a secret of its own."""
    credentials = ClientCredentials(client_secret=secrets.token_hex())
    return Authentication(endpoint="https://crm.example/token", credentials=credentials, **fields)


async def test_it_costs_one_request() -> None:
    """The configuration arrives as it was given, its secret too, and its id comes back."""
    authentication = login()
    wanted = AddWebhook(
        name="crm",
        event_id="4711",
        hooks=[
            Hook(type="event_created", endpoint="https://crm.example/doo"),
            Hook.graphql("event_updated", endpoint="https://crm.example/doo", query="{ event { id } }"),
        ],
        authentication=authentication,
        extra={"x_custom": [1, None, {"deep": True}]},
    )
    async with practice() as (doo, box):
        webhook_id = await doo.webhooks.create("112", wanted)
        assert kinds(box) == ["create"]
        [live] = box.live("112")
        assert live.pop("id") == webhook_id
        assert live == wanted.to_dict(secrets="reveal")
        assert live["authentication"]["credentials"]["client_secret"] == (
            authentication.credentials.client_secret.reveal()
        )


async def test_a_team_may_be_a_number() -> None:
    """Ids are taken as text or as a number."""
    async with practice(webhook_ids="counter") as (doo, box):
        assert await doo.webhooks.create(112, config()) == box.live("112")[0]["id"]


async def test_created_is_success_too() -> None:
    """201 is as good as 200, for tokens and for webhooks."""
    async with practice(create_status=201, token_status=201) as (doo, box):
        assert await doo.webhooks.create("111", config()) == box.live("111")[0]["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " "},
        {"hooks": ()},
        {"hooks": (Hook(type="", endpoint="https://crm.example"),)},
        {"hooks": (Hook(type="event_created", endpoint="crm.example"),)},
        {"hooks": (Hook(type="event_created", endpoint="ftp://crm.example"),)},
        {"authentication": login(header_value_format="Bearer")},
        {"extra": {"id": "12"}},
        {"extra": {"x": float("nan")}},
    ],
)
async def test_what_cannot_be_right_is_not_sent(wrong: dict[str, Any]) -> None:
    """A configuration that doo could only refuse is refused here; nothing is sent, not even for a token."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError):
            await doo.webhooks.create("111", attrs.evolve(config(), **wrong))
        assert box.log.total == 0


@pytest.mark.parametrize("team", ["", "a/b", "../111", "1\n", True, None, 1.5])
async def test_a_team_that_cannot_be_one(team: Any) -> None:
    """No request is ever built from such an id."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError, match="team id"):
            await doo.webhooks.create(team, config())
        assert box.log.total == 0


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (403, PermissionDenied)])
async def test_a_team_that_is_not_there(status: int, error: type[DooError]) -> None:
    """What doo refuses is not in doubt and not tried again."""
    async with practice(unknown_team_status=status) as (doo, box):
        with pytest.raises(error):
            await doo.webhooks.create("999", config())
        assert kinds(box) == ["create"]


async def test_what_doo_does_not_like() -> None:
    """A 400 is InvalidRequest with doo's words; nothing was created."""
    async with practice(description_required=True) as (doo, box):
        with pytest.raises(InvalidRequest) as caught:
            await doo.webhooks.create("111", config(description=None))
        assert "description" in (caught.value.user_message or "")
        assert kinds(box) == ["create"]
        assert box.live("111") == []


LOST = [
    (Fault("lost_after", on="create"), TransportError, 1),
    (Fault("lost_before", on="create"), TransportError, 0),
    (Fault("lost_after", on="create", stage="in_body"), TransportError, 1),
    (Fault("reset", on="create"), TransportError, 1),
    (Fault("error_acted", on="create", status=500), ServerError, 1),
    (Fault("error_not_acted", on="create", status=503), ServerError, 0),
    (Fault("error_acted", on="create", status=504), ServerError, 1),
    (Fault("truncated", on="create", content_length="matching"), ProtocolError, 1),
    (Fault("envelope_lie", on="create"), ProtocolError, 1),
    (Fault("replaced", on="create", body=b"{}"), ProtocolError, 1),
    (Fault("replaced", on="create", status=302), ProtocolError, 1),
]


@pytest.mark.parametrize(("fault", "cause", "created"), LOST)
async def test_a_lost_answer_is_a_doubt(fault: Fault, cause: type[DooError], created: int) -> None:
    """One wire request, whatever became of it; the error says what is unknown, since when, and the way out."""
    async with practice() as (doo, box):
        begun = datetime.now(UTC) - timedelta(seconds=1)
        box.script(fault)
        with pytest.raises(OutcomeUnknown) as caught:
            await doo.webhooks.create("111", config())
        error = caught.value
        assert kinds(box) == ["create"]
        assert len(box.live("111")) == created
        assert (error.operation, error.team_id, error.old_id, error.new_id) == ("create", "111", None, None)
        assert isinstance(error.cause, cause)
        assert error.sent_at is not None
        assert begun <= error.sent_at <= datetime.now(UTC)
        assert "bulk.run([Ensure(...)])" in str(error)


async def test_what_was_proven_not_to_have_happened_is_tried_again() -> None:
    """After a 429 and a refused token the create is sent again, and there is one in the end."""
    async with practice() as (doo, box):
        await doo.organizations.active_team()
        box.revoke_tokens()
        box.script(Fault("too_many", on="create", headers={"Retry-After": "0"}))
        await doo.webhooks.create("111", config())
        assert [each.status for each in box.log.requests if each.kind == "create"] == [429, 401, 200]
        assert len(box.live("111")) == 1
        assert box.count("token") == 2


async def test_twins_are_two() -> None:
    """Creating the same twice makes two: create() does not look."""
    async with practice() as (doo, box):
        first = await doo.webhooks.create("111", config())
        second = await doo.webhooks.create("111", config())
        assert [item["id"] for item in box.live("111")] == [first, second]


@pytest.mark.parametrize("fault", ["lost_after", "unauthorized", "error_acted", "envelope_lie"])
async def test_no_error_shows_a_secret(fault: Any) -> None:
    """Neither the credentials nor the webhook's own secret show in what is raised."""
    authentication = login()
    async with practice() as (doo, box):
        body = f'{{"user_message": "{authentication.credentials.client_secret.reveal()}"}}'.encode()
        told = {"body": body} if fault == "error_acted" else {}
        box.script(Fault(fault, on="create", times=None, **told))
        with pytest.raises(DooError) as caught:
            await doo.webhooks.create("111", config(authentication=authentication))
        shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        for hidden in (authentication.credentials.client_secret.reveal(), box.api_key, box.client_secret):
            assert hidden not in shown
