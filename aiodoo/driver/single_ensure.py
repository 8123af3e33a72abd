"""Ensures that a webhook configuration exists: finds it in the team's list, or creates it."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

from aiodoo.client.call import CallGroup
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.driver.driver import Driver
from aiodoo.errors import DeadlineExceeded, OutcomeUnknown, QueueFull
from aiodoo.models import AddWebhook
from aiodoo.operations.compare import shows
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane
from aiodoo.settling import SETTLE
from aiodoo.walk import Listing


async def ensure_one(
    driver: Driver, team_id: str | int, config: AddWebhook, *, lane: Lane, deadline: DeadlineOption
) -> str:
    """Return the id of a listed webhook configuration that is equal to `config`, or create one and return its id.

    Costs the requests of a stable list, and one more to create. Calls for one team run one at a time, so that two
    concurrent ones do not create it twice.

    Args:
        driver: sends the requests.
        team_id: the team.
        config: the content.
        lane: the queue to wait in for slots.
        deadline: the seconds for all of it.

    Raises:
        ConfigError: the configuration is not valid; nothing was sent.
        DeadlineExceeded: no conclusive list could be read within the deadline; nothing was created. As QueueFull: too
            many calls wait already, or the call cannot be sent within its deadline.
        OutcomeUnknown: this create, or an earlier one of the same content, is in doubt.
    """
    request = requests.create(team_id, config, driver.facts)
    assert request.team_id is not None  # noqa: S101  # a create has a team
    until = driver.client.until(deadline)
    ensure = _Ensure(driver, request.team_id, config, lane, until)
    try:
        async with asyncio.timeout(until.seconds):
            line = await driver.client.ensuring(request, lane, until)
    except QueueFull:
        raise
    except TimeoutError:
        raise ensure.too_late("another call of this session for the same team was not done") from None
    try:
        existing = await ensure.find()
        if existing is not None:
            return existing
        return await driver.client.call(
            request,
            answers.read_created,
            lane=lane,
            deadline=until,
            call_id=ensure.calls.call_id,
        )
    finally:
        line.lock.release()


class _Ensure:
    """One call of `ensure_one`: its deadline, and what the team's list shows."""

    def __init__(self, driver: Driver, team_id: str, config: AddWebhook, lane: Lane, until: Deadline) -> None:
        self.calls = CallGroup()
        self._driver = driver
        self._team_id = team_id
        self._config = config
        self._lane = lane
        self._until = until

    async def find(self) -> str | None:
        """Read the team's list until it is conclusive; return the id of an equal webhook configuration, or None."""
        while True:
            listing = await self._driver.lists.read(
                self._team_id,
                stable=True,
                lane=self._lane,
                deadline=self._until,
                watch=self.calls,
            )
            existing, conclusive_from = self._conclude(listing)
            if listing.began >= conclusive_from:
                return existing
            await self._wait_until(conclusive_from)

    def _conclude(self, listing: Listing) -> tuple[str | None, float]:
        """Return the id of an equal webhook configuration, and when a list has to be started to be conclusive about it."""
        recent, team_id = self._driver.changes, self._team_id
        equal = [
            webhook.id for webhook in listing.webhooks if shows(self._config, webhook, self._driver.facts)
        ]
        for webhook_id in equal:
            if not recent.has_deleted(team_id, webhook_id):
                return webhook_id, -math.inf
        ids = [webhook.id for webhook in listing.webhooks]
        current = recent.current_from(team_id, ids, SETTLE)
        settled = recent.settled_from(team_id, self._config)
        return (equal[0] if equal else None), max(current, settled)

    async def _wait_until(self, instant: float) -> None:
        clock = self._driver.clock
        seconds = instant - clock.monotonic()
        if self._until.is_over(instant):
            when = f"{clock.now() + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
            if self._driver.changes.settled_from(self._team_id, self._config) == instant:
                raise OutcomeUnknown(
                    f"an earlier create of the same webhook configuration in team {self._team_id} lost its answer, and "
                    f"doo may still act on it until {when}. Nothing was sent now; ensure it again from then on",
                    operation="create",
                    team_id=self._team_id,
                )
            raise self.too_late(
                f"doo's list need not show what this session has changed in the team before {when}"
            )
        await clock.sleep(max(0.0, seconds))

    def too_late(self, why: str) -> DeadlineExceeded:
        """Return the error for a deadline that is too short."""
        return DeadlineExceeded(
            f"ensure in team {self._team_id} cannot end within {self._until.seconds:g} s: {why}. Nothing was created; give it "
            "more time, or call it again later"
        )
