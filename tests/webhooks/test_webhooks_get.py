"""One webhook configuration by its id: read up to its page, and not found only by a stable list."""

from __future__ import annotations

import json

import pytest
from unlimited_session import asked, config, listed, practice

from aiodoo import ConfigError, DeadlineExceeded, NotFound, SchemaMismatch, TransportError
from aiodoo.sandbox import Fault


@pytest.mark.parametrize("place", [0, 6, 7, 13, 14, 19])
async def test_it_costs_the_pages_up_to_its_own(place: int) -> None:
    """What stands on page n costs n requests."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7) as (doo, box):
        wanted = listed(box, "111")[place]
        webhook = await doo.webhooks.get("111", wanted)
        assert (webhook.team_id, webhook.id) == ("111", wanted)
        assert len(asked(box)) == place // 7 + 1


async def test_it_is_found_without_its_team() -> None:
    """Costs one request for the teams, and one for each page until it is found; not there, all of them."""
    async with practice(organizations=3, webhooks_per_team=10, page_size=7) as (doo, box):
        wanted = listed(box, "112")[8]
        webhook = await doo.webhooks.find(wanted)
        assert (webhook.team_id, webhook.id) == ("112", wanted)
        assert (box.count("organizations"), len(asked(box))) == (1, 4)
        with pytest.raises(NotFound, match="no team that doo names has a webhook configuration 4711"):
            await doo.webhooks.find(4711)
        assert (box.count("organizations"), len(asked(box))) == (2, 4 + 6)
        with pytest.raises(ConfigError, match="webhook configuration id"):
            await doo.webhooks.find("")


@pytest.mark.parametrize(("webhooks", "requests"), [(0, 1), (5, 1), (20, 6)])
async def test_not_found_costs_a_stable_list(webhooks: int, requests: int) -> None:
    """One reading of one page, or two readings that agree; doo itself has answered nothing of the kind."""
    async with practice(organizations=1, webhooks_per_team=webhooks, page_size=7) as (doo, box):
        with pytest.raises(NotFound, match="team 111 has no webhook configuration 4711") as caught:
            await doo.webhooks.get("111", 4711)
        assert not caught.value.status
        assert len(asked(box)) == requests


async def test_an_unknown_team_is_not_found_with_doos_status() -> None:
    """What doo has answered itself keeps its status."""
    async with practice(organizations=1) as (doo, _):
        with pytest.raises(NotFound) as caught:
            await doo.webhooks.get("999", "4711")
        assert caught.value.status == 404


async def test_what_moves_between_two_pages_is_found() -> None:
    """A webhook that one reading misses, because others were deleted meanwhile, is in the next one."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7) as (doo, box):
        first, *_, wanted = listed(box, "111")[:8]
        box.after("list", lambda: box.foreign_delete(first), nth=1)
        assert (await doo.webhooks.get("111", wanted)).id == wanted


async def test_an_item_that_cannot_be_read_does_not_hide_another() -> None:
    """It is found beside one that is no webhook, and on a later page."""
    async with practice(organizations=1, webhooks_per_team=3) as (doo, box):
        body = {"_embedded": {"webhooks": [1, *box.live("111")]}, "page": 1, "page_count": 1}
        box.script(Fault("replaced", on="list", times=2, body=json.dumps(body).encode()))
        wanted = box.live("111")[0]["id"]
        assert (await doo.webhooks.get("111", wanted)).id == wanted
        with pytest.raises(SchemaMismatch):
            await doo.webhooks.get("111", "4711")


async def test_one_that_was_just_created_and_is_not_listed_yet() -> None:
    """Where lists lag, the error says that the list may be too old."""
    async with practice(organizations=1, replica_lag=60.0) as (doo, _):
        webhook_id = await doo.webhooks.create("111", config())
        with pytest.raises(NotFound, match="created a moment ago"):
            await doo.webhooks.get("111", webhook_id)


async def test_the_deadline_is_for_all_of_it() -> None:
    """Not for each page."""
    async with practice(organizations=1, webhooks_per_team=20, page_size=7, latency=0.05) as (doo, box):
        with pytest.raises(DeadlineExceeded):
            await doo.webhooks.get("111", "4711", deadline=0.12)
        assert len(asked(box)) < 6


async def test_a_page_that_cannot_be_had_is_an_error() -> None:
    """Not that the webhook is missing."""
    async with practice(organizations=1, webhooks_per_team=2) as (doo, box):
        box.script(Fault("lost_before", on="list", times=5))
        with pytest.raises(TransportError):
            await doo.webhooks.get("111", "4711")


@pytest.mark.parametrize(("team", "webhook"), [("a/b", "12"), ("111", "../12"), ("111", ""), ("", "12")])
async def test_what_can_be_no_id_is_refused(team: str, webhook: str) -> None:
    """Before anything is sent."""
    async with practice(organizations=1) as (doo, box):
        with pytest.raises(ConfigError):
            await doo.webhooks.get(team, webhook)
        assert box.log.total == 0
