"""The ledger `Memory`, for the Sessions of one event loop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota.account import LedgerAccount
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken
from aiodoo.quota.event_loop_claims import local_claims
from aiodoo.quota.exchange import Ask, Reply
from aiodoo.quota.ledger import Account
from aiodoo.quota.limits import Limits
from aiodoo.quota.updates import ClaimUpdate, LedgerUpdate

LATE = 0.002
"""Seconds by which a timer may be late without delaying the grants after it."""


@attrs.define(repr=False)
class Memory:
    """A ledger in memory, for Sessions of one event loop; the count of the day is lost when the process ends.

    Sessions on one API key share its limits if they are given the same ledger.
    """

    _accounts: dict[str, LedgerAccount] = attrs.field(factory=dict, init=False)

    def __repr__(self) -> str:
        return f"<quota.Memory for {len(self._accounts)} API keys>"

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Return the account of an API key; see `Ledger.open`."""
        known = self._accounts.get(account)
        if known is None:
            state = AccountState(limits=limits)
            known = self._accounts[account] = LedgerAccount(clock, InPlace(clock, state), state)
        elif known.state.limits.shared() != limits.shared():
            raise ConfigError(
                "this API key is already in use with other limits: "
                f"{known.state.limits}, not {limits}. Give every Session on it the same per_second, per_day "
                "and reserve; nothing was sent."
            )
        return known


@attrs.define(eq=False, repr=False)
class InPlace:
    """The `Connection` of an account to a state that only it changes."""

    _clock: Clock
    _state: AccountState
    _promised: float = attrs.field(default=math.inf, init=False)
    """When to ask again, as it was said last."""
    shared = False
    report_after = 0.0
    name = "the quota in memory"
    elsewhere = (
        "this quota.Memory ledger is in use by another event loop; nothing was sent. Share a "
        "quota.SQLite ledger between threads and event loops, or give each event loop a quota.Memory "
        "of its own with its part of the limits."
    )
    remedy = ""

    def exchange(self, updates: Sequence[LedgerUpdate], ask: Ask | None, _known: int) -> Reply:
        """Grant a slot or return when to ask again; see `Connection.exchange`. Of the updates only `Left` comes here."""
        state, now, run = self._state, self._clock.monotonic(), None
        if updates:
            # Nobody has come for it, so that who asks now has not been kept waiting by a timer.
            self._promised = math.inf
        if ask is None:
            return Reply(state=state)
        if ask.mark is not None:
            run, answer = ask.mark.run, self.say(ask.mark)
            if isinstance(answer, Overtaken):
                return Reply(state=state, overtaken=answer)
        if state.day.exhausted(ask.lane, now, run):
            return Reply(state=state)
        opens = state.opens(now)
        if opens > now:
            self._promised = opens
            return Reply(state=state, back_at=opens)
        number = state.take(now, max(opens, min(self._promised, now), now - LATE))
        self._promised = math.inf
        return Reply(state=state, number=number, granted_at=now)

    def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return local_claims().say(update)

    def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return local_claims().all()

    async def close(self) -> None:
        """Do nothing."""
