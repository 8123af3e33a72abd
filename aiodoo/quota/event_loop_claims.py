"""Claims of runs with a ledger in memory, or with a ledger that has no claims.

They belong to the event loop: Sessions without `quota=` each have their own ledger, but must see each other's claims,
while claims of the process would need locks between threads. Runs of several event loops or processes need a
`quota.SQLite` to see each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast
from weakref import WeakKeyDictionary

import attrs

from aiodoo.event_loop import running_loop
from aiodoo.quota.claim_store import MemoryClaims
from aiodoo.quota.claims import Answer, Claim, Overtaken, carry_out, shown, stands
from aiodoo.quota.hold import Claims, Hold, with_living
from aiodoo.quota.ledger import Account, Lane, Permits, Slot
from aiodoo.quota.updates import ClaimUpdate


@attrs.define(eq=False, repr=False)
class LocalClaims:
    """The claims of one event loop, and which of its runs are alive; a `Living`."""

    store: MemoryClaims = attrs.field(factory=MemoryClaims, init=False)
    _runs: set[str] = attrs.field(factory=set, init=False)

    def hold(self, run: str) -> bool:
        """Mark a run as alive; return False if it is alive already."""
        new = run not in self._runs
        self._runs.add(run)
        return new

    def let_go(self, run: str) -> None:
        """Mark a run as no longer alive."""
        self._runs.discard(run)

    def alive(self, run: str) -> bool:
        """Return whether a run is alive."""
        return run in self._runs

    def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return with_living(update, self, lambda each: carry_out(each, self.store, self.alive))

    def all(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return [
            shown(record, self.store, self.alive)
            for record in self.store.records()
            if stands(record, self.alive)
        ]


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LocalClaims] = WeakKeyDictionary()


def local_claims() -> LocalClaims:
    """Return the claims of the running event loop."""
    return _of_loops.setdefault(running_loop(), LocalClaims())


@attrs.define(eq=False, repr=False)
class WithClaims:
    """An account of a ledger without claims, with the claims of the event loop; see `Claims`.

    Other Sessions and processes can use the requests that its runs have committed.
    """

    _account: Account

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot, then check whether the run may still send."""
        slot = await self._account.acquire(lane, permits, give_up_at=give_up_at)
        if hold is not None and isinstance(answer := local_claims().say(hold.mark()), Overtaken):
            slot.give_back()
            raise hold.overtaken(answer).again()
        return slot

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:  # noqa: ARG002  # no commitments
        """Return how many requests of the day are free for a lane."""
        return self._account.left(lane)

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:  # noqa: ARG002  # as above
        """Return the earliest time by which further requests can be sent."""
        return self._account.eta(requests, lane)

    async def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims."""
        return local_claims().say(update)

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams."""
        return local_claims().all()

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Record the commitment; the ledger does not enforce it."""
        hold.committed = requests
        return True

    def keep(self, hold: Hold, requests: int) -> None:
        """Record the commitment."""
        hold.committed = requests


def with_claims(account: Account) -> Claims:
    """Return an account with claims: itself if its ledger has them."""
    return cast("Claims", account) if hasattr(account, "say") else WithClaims(account)
