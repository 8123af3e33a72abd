"""The used and free part of an API key's quota, as `session.quota`."""

from __future__ import annotations

import warnings
from datetime import datetime

import attrs

from aiodoo.quota.ledger import Account, Lane, refresh
from aiodoo.quota.limits import Limits


@attrs.frozen(kw_only=True)
class Usage:
    """The used and free part of the daily quota, as `await session.quota.usage()` returns it.

    Attributes:
        used: the requests of the last 24 hours, including those in flight; None without a daily limit.
        left: how many are free for single calls; None without a daily limit.
        left_for_bulk: how many are free for runs, which leave the reserve; None without a daily limit.
        resume_at: when single calls have room again (UTC); None while they have.
        resume_at_for_bulk: when runs have room again (UTC); None while they have.
    """

    used: int | None
    left: int | None
    left_for_bulk: int | None
    resume_at: datetime | None
    resume_at_for_bulk: datetime | None


@attrs.frozen(repr=False)
class Quota:
    """The quota of one API key, shared by all processes with the same ledger."""

    _account: Account
    _limits: Limits = attrs.field(eq=False)

    def __repr__(self) -> str:
        per_second, per_day = self._limits.per_second, self._limits.per_day
        second = "any number a second" if per_second is None else f"{per_second:g} a second"
        return f"<Quota of {second}, {'any number' if per_day is None else per_day} a day>"

    async def usage(self) -> Usage:
        """Read the usage by all processes from the ledger; costs no request.

        Raises:
            ConfigError: the ledger cannot be used, or it is a file and the session is closed.
        """
        account = self._account
        await refresh(account)
        return Usage(
            used=account.used,
            left=account.left(Lane.FRONT),
            left_for_bulk=account.left(Lane.BULK),
            resume_at=account.resume_at(Lane.FRONT),
            resume_at_for_bulk=account.resume_at(Lane.BULK),
        )

    def eta(self, requests: int, lane: Lane = Lane.FRONT) -> float:
        """Return the earliest time by which a number of further requests can be sent; see `Account.eta`.

        Args:
            requests: how many.
            lane: the lane that they wait in.
        """
        return self._account.eta(requests, lane)

    @property
    def used(self) -> int | None:
        """Deprecated: use `(await usage()).used`. Does not include what other processes sent since the last request."""
        _deprecated("quota.used")
        return self._account.used

    def left(self, lane: Lane) -> int | None:
        """Deprecated: use `(await usage()).left` or `left_for_bulk`."""
        _deprecated("quota.left()")
        return self._account.left(lane)

    def resume_at(self, lane: Lane) -> datetime | None:
        """Deprecated: use `(await usage()).resume_at` or `resume_at_for_bulk`."""
        _deprecated("quota.resume_at()")
        return self._account.resume_at(lane)


def _deprecated(name: str) -> None:
    warnings.warn(
        f"{name} is deprecated and knows only what this process has seen; use `await quota.usage()`",
        DeprecationWarning,
        stacklevel=3,
    )
