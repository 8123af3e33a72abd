"""What changes cost, in words: requests, time, and the day by which they are done."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiodoo.cli.terminal.output import counted, duration

if TYPE_CHECKING:
    from aiodoo import Forecast, Session

ONE_REQUEST = "this takes one request, and one for a token if none is kept."


async def cost_in_words(doo: Session, forecast: Forecast, *, foreground: bool = False) -> str:
    """Return what a run costs, and if today's quota does not suffice, why and until when it parks; costs no request.

    Args:
        doo: the session, which has a token already.
        forecast: the run's forecast.
        foreground: whether the run may use the whole daily quota.
    """
    total = forecast.requests.total
    requests = counted(total, "request")
    usage, limits = await doo.quota.usage(), doo.limits
    left, day = (usage.left, limits.per_day) if foreground else (usage.left_for_bulk, limits.per_day_for_bulk)
    if forecast.cannot_end is not None:
        return f"{requests}, but the run cannot end: {forecast.cannot_end}"
    cost = f"{requests}, about {duration(forecast.seconds)}"
    if left is None or not day:
        return cost
    if total <= left:
        who = "a day" if foreground else "what runs may use of a day"
        return f"{cost}, {total / day:.1%} of {who}"
    days = forecast.days - left / day
    until = datetime.now(UTC) + timedelta(days=math.ceil(days))
    return (
        f"{requests}, about {days:.1f} days, until about {until:%Y-%m-%d}: of {day} requests that it may use a "
        f"day {left} are left now, so it parks, and aiodoo runs resume continues it"
    )
