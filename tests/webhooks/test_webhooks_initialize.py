"""Having doo send again what exists already: one request, and never a second one on a doubt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from unlimited_session import kinds, practice

from aiodoo import ConfigError, InvalidRequest, NotFound, OutcomeUnknown
from aiodoo.sandbox import Fault


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        ("events", {"organization_id": 70_001}),
        ("contacts", {"organization_id": "70001"}),
        ("orders", {"event_id": 4711}),
        ("attendees", {"event_id": "4711"}),
        ("invitees", {"event_id": 4711}),
    ],
)
async def test_it_costs_one_request(resource: str, scope: dict[str, Any]) -> None:
    """The number of items that doo will send comes back."""
    async with practice(existing_items=42) as (doo, box):
        assert await doo.webhooks.initialize(resource, **scope) == 42
        assert kinds(box) == ["initialize"]


async def test_with_everything() -> None:
    """All that can be said is accepted by doo."""
    async with practice(webhooks_per_team=1) as (doo, box):
        sent = await doo.webhooks.initialize(
            "orders",
            event_id=4711,
            last_updated_after=datetime(2026, 1, 1, tzinfo=UTC),
            last_updated_before=datetime(2026, 2, 1, tzinfo=UTC),
            webhook_types=["order_created", "on_order_updated"],
            webhook_configuration_id=box.live("111")[0]["id"],
            max_rate_per_min=50,
        )
        assert sent == 123
        assert kinds(box) == ["initialize"]


@pytest.mark.parametrize(
    ("resource", "options"),
    [
        ("events", {}),
        ("events", {"event_id": 1}),
        ("orders", {"organization_id": 1}),
        ("../oauth", {"event_id": 1}),
        ("orders", {"event_id": "a/b"}),
        ("orders", {"event_id": 1, "max_rate_per_min": 0}),
        ("orders", {"event_id": 1, "webhook_types": []}),
        ("orders", {"event_id": 1, "last_updated_after": datetime(2026, 1, 1)}),  # noqa: DTZ001
        ("orders", {"event_id": 1, "webhook_configuration_id": "a/b"}),
    ],
)
async def test_what_cannot_be_right_is_not_sent(resource: str, options: dict[str, Any]) -> None:
    """A missing id, a time without a zone, a rate of nothing: ConfigError, and nothing is sent."""
    async with practice() as (doo, box):
        with pytest.raises(ConfigError):
            await doo.webhooks.initialize(resource, **options)
        assert box.log.total == 0


async def test_what_doo_refuses() -> None:
    """A resource that doo does not know is NotFound; what it will not read is InvalidRequest."""
    async with practice() as (doo, box):
        with pytest.raises(NotFound):
            await doo.webhooks.initialize("dragons", event_id=1)
        with pytest.raises(InvalidRequest):
            await doo.webhooks.initialize("orders", event_id="x")
        assert kinds(box) == ["initialize", "initialize"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lost_after", on="initialize"),
        Fault("lost_before", on="initialize"),
        Fault("error_acted", on="initialize"),
        Fault("replaced", on="initialize", body=b"{}"),
        Fault("envelope_lie", on="initialize"),
    ],
)
async def test_a_lost_answer_is_never_repeated(fault: Fault) -> None:
    """Nothing shows whether doo has begun, so it is raised after one request."""
    async with practice() as (doo, box):
        box.script(fault)
        with pytest.raises(OutcomeUnknown, match="may deliver everything twice") as caught:
            await doo.webhooks.initialize("events", organization_id=70_001)
        assert caught.value.operation == "initialize"
        assert kinds(box) == ["initialize"]
