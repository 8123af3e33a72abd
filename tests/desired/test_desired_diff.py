"""`aiodoo.desired.diff`: what changes if one webhook configuration takes the place of another, field by field."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from aiodoo import AddWebhook, Hook, Secret, Session
from aiodoo.desired import FieldChange, diff
from aiodoo.sandbox import Sandbox, classic, graphql
from aiodoo.secret import ListedSecret

LOGIN = "authentication.credentials"


@asynccontextmanager
async def team(*contents: dict[str, Any]) -> AsyncIterator[tuple[Session, Sandbox]]:
    """Serve a team that has some webhook configurations."""
    async with (
        Sandbox(organizations=1, webhooks_per_team=0, plan=None, echo_scope=True) as sandbox,
        sandbox.session() as doo,
    ):
        for content in contents:
            sandbox.add_webhook("111", content)
        yield doo, sandbox


async def test_a_copy_differs_in_nothing() -> None:
    """Neither the suffix that lists append nor the order of hooks is a change, and a listed secret is the same."""
    async with team(graphql(), classic(client_secret=secrets.token_hex())) as (doo, _):
        for listed in await doo.webhooks.list("111").collect():
            copy = listed.copy()
            assert diff(listed, copy) == ()
            assert diff(listed, attrs.evolve(copy, hooks=copy.hooks[::-1])) == ()
            if copy.authentication is not None:
                credentials = attrs.evolve(copy.authentication.credentials, client_secret=ListedSecret())
                login = attrs.evolve(copy.authentication, credentials=credentials)
                assert diff(listed, attrs.evolve(copy, authentication=login)) == ()


async def test_each_field_is_named_with_what_it_was_and_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what changes, by the names that people use; a secret as where it comes from, and never itself."""
    old, new, token = secrets.token_hex(), secrets.token_hex(), secrets.token_hex()
    monkeypatch.setenv("AIODOO_TEST_NEW", new)
    content = classic("before", client_secret=old)
    content["hooks"] = [{"type": "event_created", "method": "POST", "endpoint": "https://a.example/1"}]
    async with team(content) as (doo, _):
        [listed] = await doo.webhooks.list("111").collect()
        hooks = [
            Hook(type="event_created", endpoint=f"https://a.example/1?token={token}"),
            Hook(type="order_created", endpoint="https://b.example/2"),
        ]
        wanted = listed.copy(
            name="after", event_id="47", hooks=hooks, client_secret=Secret.from_env("AIODOO_TEST_NEW")
        )
        changes = diff(listed, wanted)
        assert changes == (
            FieldChange("name", "before", "after"),
            FieldChange("event_id", None, "47"),
            FieldChange(
                "hooks[event_created].endpoint",
                "https://a.example/1",
                "https://a.example/1?...",
            ),
            FieldChange(f"{LOGIN}.client_secret", "***", "*** from env:AIODOO_TEST_NEW"),
            FieldChange("hooks[order_created]", None, "https://b.example/2"),
        )
        typed = diff(listed, listed.copy(client_secret=new))
        assert typed == (FieldChange(f"{LOGIN}.client_secret", "***", "*** (another one)"),)
        assert not [secret for secret in (old, new, token) if secret in repr((changes, typed))]


async def test_nothing_that_aiodoo_does_not_know_changes_unseen() -> None:
    """Fields beside and inside the known ones, and secrets in them, are named; their values are not."""
    key, password = secrets.token_hex(), secrets.token_hex()
    content = classic("rich", client_secret=secrets.token_hex()) | {"colour": "red"}
    content["hooks"] = [{**content["hooks"][0], "size": 1, "headers": {"X-Api-Key": key}}]
    content["authentication"]["credentials"]["password"] = password
    async with team(content) as (doo, _):
        [listed] = await doo.webhooks.list("111").collect()
        plain = listed.copy().to_dict(secrets="reveal")

        def changes(**other: Any) -> tuple[FieldChange, ...]:
            return diff(listed, AddWebhook.from_dict({**plain, **other}))

        assert changes() == ()
        unknown = "a field that aiodoo does not know"
        assert changes(colour="blue") == (FieldChange("colour", unknown, f"{unknown}, with another value"),)
        assert changes(colour=None) == (FieldChange("colour", unknown, None),)
        assert changes(shape="round") == (FieldChange("shape", None, unknown),)
        inside = FieldChange("hooks", "with fields that aiodoo does not know", "without them, or with others")
        assert changes(hooks=[{**plain["hooks"][0], "size": 2}]) == (inside,)
        rotated = [{**plain["hooks"][0], "headers": {"X-Api-Key": "other" + key}}]
        assert changes(hooks=rotated) == (
            FieldChange("hooks[0].headers.X-Api-Key", "***", "*** (another one)"),
        )
        credentials = {**plain["authentication"]["credentials"], "password": None, "pin": password}
        assert set(changes(authentication={**plain["authentication"], "credentials": credentials})) >= {
            FieldChange(f"{LOGIN}.password", "***", None),
            FieldChange(f"{LOGIN}.pin", None, "***"),
        }


async def test_what_is_told_is_what_a_replacement_changes() -> None:
    """It asks doo for nothing; once the replacement is done there is no difference, and the old content is told back."""
    async with team(classic(client_secret=secrets.token_hex())) as (doo, sandbox):
        [before] = await doo.webhooks.list("111").collect()
        wanted = before.copy(description="moved", hosts={"crm.example": "crm2.example"})
        requests = sandbox.count()
        told = diff(before, wanted)
        assert sandbox.count() == requests
        await doo.webhooks.replace("111", before.id, wanted)
        [after] = await doo.webhooks.list("111").collect()
        assert diff(after, wanted) == ()
        assert diff(after, before.copy()) == tuple(
            FieldChange(change.path, change.new, change.old) for change in told
        )
