"""Checks that the day has room for all teams of what is of use only as a whole."""

from __future__ import annotations

from datetime import timedelta

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, QuotaExhausted
from aiodoo.quota.ledger import Account, Lane, refresh
from aiodoo.quota.limits import Limits


async def check_day(teams: int, lane: Lane, *, account: Account, limits: Limits, clock: Clock) -> None:
    """Check that so many teams can be read now, each for a request at least; costs no request.

    How many pages a team has is not known before it is read, so teams of several may pass and use up the day all the same.

    Raises:
        ConfigError: a whole day has no room for them.
        QuotaExhausted: today has not; it says when there is.
    """
    per_day = limits.per_day_for_bulk if lane is Lane.BULK else limits.per_day
    if per_day is None:
        return
    await refresh(account)
    left = account.left(lane)
    if left is None or teams <= left:
        return
    if teams > per_day:
        raise ConfigError(
            f"{teams} teams take at least {teams} requests, and {per_day} a day may be used for this, so they cannot be read "
            "together; no team was read. Name fewer teams at a time, or raise the daily quota (Limits(per_day=...))"
        )
    room_at = clock.now() + timedelta(seconds=account.eta(teams, lane) - clock.monotonic())
    raise QuotaExhausted(
        f"{teams} teams take at least {teams} requests, and {left} of today's are left for this; no team was read. There is "
        f"room from {room_at:%Y-%m-%d %H:%M:%S} UTC, or now for fewer teams",
        resume_at=room_at,
    )
