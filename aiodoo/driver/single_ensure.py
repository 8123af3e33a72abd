"""One webhook configuration that has to be there: found in the team's list, or created."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

from aiodoo.client.call import Together
from aiodoo.client.client import Client
from aiodoo.deadline import Deadline, DeadlineOption
from aiodoo.errors import DeadlineExceeded, OutcomeUnknown, QueueFull
from aiodoo.models import AddWebhook
from aiodoo.operations.compare import shows
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane
from aiodoo.settling import SETTLE
from aiodoo.walk import Listing, read_team


async def ensure_one(
    client: Client, team_id: str | int, config: AddWebhook, *, lane: Lane, deadline: DeadlineOption
) -> str:
    """Return the id of a listed webhook configuration that is equal to `config`, or of a new one.

    Calls for one team come one after the other, so that two at once do not create it twice.

    Args:
        client: what asks doo.
        team_id: the team that has to have it.
        config: what has to be there.
        lane: who asks.
        deadline: seconds for all of it.

    Raises:
        ConfigError: the configuration cannot be right; nothing was sent.
        DeadlineExceeded: the list cannot tell within the deadline; nothing was created. As QueueFull at once: too many
            wait already, or those before it leave no time.
        OutcomeUnknown: this create, or an earlier one of the same content, may or may not have happened.
    """
    request = requests.create(team_id, config, client.facts)
    assert request.team_id is not None  # noqa: S101  # a create is for a team
    until = client.until(deadline)
    ensuring = _Ensuring(client, request.team_id, config, lane, until)
    try:
        async with asyncio.timeout(until.seconds):
            line = await client.ensuring(request, lane, until)
    except QueueFull:
        raise
    except TimeoutError:
        raise ensuring.too_late("another call of this session for the same team was not done") from None
    try:
        there = await ensuring.look()
        if there is not None:
            return there
        return await client.call(
            request,
            answers.read_created,
            lane=lane,
            deadline=until,
            call_id=ensuring.together.call_id,
        )
    finally:
        line.lock.release()


class _Ensuring:
    """One call: how long it may take, and what the team's list says."""

    def __init__(self, client: Client, team_id: str, config: AddWebhook, lane: Lane, until: Deadline) -> None:
        self.together = Together()
        self._client = client
        self._team_id = team_id
        self._config = config
        self._lane = lane
        self._until = until

    async def look(self) -> str | None:
        """Read the team's list until it tells, and return the id of an equal webhook configuration if there is one."""
        while True:
            listing = await read_team(
                self._client,
                self._team_id,
                stable=True,
                lane=self._lane,
                deadline=self._until,
                watch=self.together,
            )
            there, late = self._conclude(listing)
            if listing.began >= late:
                return there
            await self._wait_until(late)

    def _conclude(self, listing: Listing) -> tuple[str | None, float]:
        """Return what is there, and from when on a list has to be begun for that to be so."""
        client, team_id = self._client, self._team_id
        recent = client.recent
        equal = [webhook.id for webhook in listing.webhooks if shows(self._config, webhook, client.facts)]
        for webhook_id in equal:
            if not recent.has_deleted(team_id, webhook_id):
                return webhook_id, -math.inf
        ids = [webhook.id for webhook in listing.webhooks]
        current = recent.current_from(team_id, ids, SETTLE)
        settled = recent.settled_from(team_id, self._config, client.facts)
        return (equal[0] if equal else None), max(current, settled)

    async def _wait_until(self, late: float) -> None:
        clock = self._client.clock
        seconds = late - clock.monotonic()
        if self._until.is_over(late):
            when = f"{clock.now() + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
            if self._client.recent.settled_from(self._team_id, self._config, self._client.facts) == late:
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
        """Return what is raised when the deadline leaves no time."""
        return DeadlineExceeded(
            f"ensure in team {self._team_id} cannot end within {self._until.seconds:g} s: {why}. Nothing was created; give it "
            "more time, or call it again later"
        )
