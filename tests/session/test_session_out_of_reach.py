"""What people ask for by a single call while doo cannot be reached, and what a program that was killed asks for again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unlimited_session import config, practice, session

from aiodoo import Session, TransportError
from aiodoo.sandbox import Sandbox


def calls(doo: Session, webhook_id: str) -> list[Any]:
    """Make every kind of single call, of which two change something."""
    return [
        doo.webhooks.page("111", 1),
        doo.webhooks.get("111", webhook_id),
        doo.webhooks.ensure("111", config("ensured")),
        doo.webhooks.list("111", "112", name="Webhook*", limit=3).collect(),
        doo.request("GET", "/organizers/current/organizations"),
        doo.request("POST", "/team/112/webhooks", json=config("asked").to_dict()),
    ]


async def test_nothing_is_sent_and_the_same_calls_work_once_doo_is_back() -> None:
    """Each ends with an error that says so, without waiting for long; what changes something has then happened once."""
    async with practice(organizations=2, webhooks_per_team=3) as (doo, box):
        [first, *_] = box.live("111")
        await doo.webhooks.page("112", 1)
        before = box.count()
        box.refuse_connections()
        for refused in await asyncio.gather(*calls(doo, first["id"]), return_exceptions=True):
            assert isinstance(refused, TransportError)
            assert (refused.unreachable, "nothing was sent" in str(refused)) == (True, True)
        assert box.count() == before
        box.accept_connections()
        page, webhook, ensured, some, organizations, _ = await asyncio.gather(*calls(doo, first["id"]))
        assert (len(page.items), webhook.id, len(some), bool(organizations)) == (3, first["id"], 3, True)
        assert [item["id"] for item in box.live("111") if item["name"] == "ensured"] == [ensured]
        assert [item["name"] for item in box.live("112")].count("asked") == 1


@pytest.mark.parametrize("edited", [False, True])
async def test_a_program_that_begins_again_finds_what_it_has_ensured(*, edited: bool) -> None:
    """A new process knows nothing of the one that was killed, and the list tells; what somebody has edited since is another."""
    async with Sandbox(organizations=1, plan=None) as box:
        async with session(box) as killed:
            ensured = await killed.webhooks.ensure("111", config())
        if edited:
            box.foreign_edit(ensured, config(description="by hand").to_dict())
        async with session(box) as again:
            assert (await again.webhooks.ensure("111", config()) == ensured) is not edited
        assert len(box.live("111")) == 1 + edited
