"""The errors for requests that the quota does not allow in time, and who gets them. Times are those of the ledger."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from aiodoo.errors import ConfigError, DeadlineExceeded, DooError, QuotaExhausted, RateLimited
from aiodoo.quota.account_state import AccountState, Pause
from aiodoo.quota.claims import Overtaken
from aiodoo.quota.ledger import Lane
from aiodoo.quota.limits import Limits
from aiodoo.quota.turns import QUIET
from aiodoo.quota.wait_queue import Waiting


def resume_at(
    state: AccountState, lane: Lane, now: float, wall: datetime, run: str | None = None
) -> datetime:
    """Return when the day has room again (UTC), rounded up, so that nothing is sent a moment too early."""
    wait = math.ceil((state.day.resumes(lane, now, run) - now) * 1e6) + 1
    return wall + timedelta(microseconds=wait)


def fail_exhausted(waiting: Waiting, state: AccountState, now: float, wall: datetime, remedy: str) -> None:
    """Fail all waiters whose daily quota is spent."""
    for lane in Lane:
        if state.day.exhausted(lane, now):
            for waiter in waiting.of(lane):
                if state.day.exhausted(lane, now, waiter.run):
                    waiting.end(
                        waiter, error=exhausted(state, lane, now, waiter.run, wall=wall, remedy=remedy)
                    )


def fail_run(waiting: Waiting, overtaken: Overtaken) -> None:
    """Fail the waiters of a run that was resumed by another process, or abandoned."""
    for waiter in waiting.all():
        if waiter.hold is not None and waiter.run == overtaken.run:
            waiting.end(waiter, error=waiter.hold.overtaken(overtaken).again())


def exhausted(
    state: AccountState, lane: Lane, now: float, run: str | None, *, wall: datetime, remedy: str
) -> QuotaExhausted:
    """Return the error for a lane whose day is spent, with the remedy if it only counts as spent after a reset."""
    if state.day.shut is not None:
        what = "doo says that the day's requests are spent"
    elif state.day.kept_from(run):
        what = (
            "the day's requests are spent, or committed to runs that need them to finish what they have begun"
        )
    elif lane is Lane.BULK:
        what = "the requests of the day that runs may use are spent"
    else:
        what = "the day's requests are spent"
    if state.reset_until is None or state.reset_until <= now:
        remedy = ""
    again = resume_at(state, lane, now, wall, run)
    return QuotaExhausted(
        f"{what}; nothing was sent. Try again from {again:%Y-%m-%d %H:%M:%S} UTC{remedy}.", resume_at=again
    )


def late(pause: Pause, give_up_at: float, now: float) -> DooError:
    """Return the error for a slot that is not free in time."""
    if pause.refused and pause.until > max(now, give_up_at):
        return RateLimited(
            f"doo asked this API key to wait, and {pause.until - now:.1f} s of it are left, more than this "
            "call may take; nothing was sent. Try again after that.",
            status=429,
            retry_after=pause.until - now,
        )
    return DeadlineExceeded(
        f"the quota has no free slot in the {max(0.0, give_up_at - now):.1f} s that this call may still take; nothing "
        "was sent. Try again later, or allow more time with deadline=."
    )


def other_limits(before: Limits, limits: Limits, ledger: str) -> ConfigError:
    """Return the error for an account that is in use with other limits."""
    return ConfigError(
        f"this API key is in use with other limits: {before}, not {limits}, by another user of {ledger}. Give every "
        "Session on it the same per_second, per_day and reserve (DOO_PER_SECOND and DOO_PER_DAY in the environment); a "
        f"change is accepted when nobody has used the key for {QUIET / 60:.0f} minutes. Nothing was sent."
    )
