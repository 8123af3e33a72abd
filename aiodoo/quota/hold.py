"""A run's hold on its teams and its part of the daily quota, and the interface of ledgers with claims."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from aiodoo.errors import DooError, TeamClaimed
from aiodoo.quota.claims import Answer, Claim, Given, Overtaken
from aiodoo.quota.ledger import Lane, Permits, Slot
from aiodoo.quota.updates import Claimed, ClaimUpdate, Finished, LetGo, LookedUp, Noted, TeamBegun, TeamDone

logger = logging.getLogger("aiodoo.quota")


class Living(Protocol):
    """Tracks which runs are alive on this host. No method blocks for long."""

    def hold(self, run: str) -> bool:
        """Mark a run as alive; return False if it is alive already."""
        ...

    def let_go(self, run: str) -> None:
        """Mark a run as no longer alive."""

    def alive(self, run: str) -> bool:
        """Return whether a run is alive, in any process."""
        ...


class Claims(Protocol):
    """An account of a ledger with claims and commitments; `WithClaims` adds them to other accounts."""

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire`.

        Args:
            lane, permits, give_up_at: as there.
            hold: the hold of the run that asks, which may use its commitment.

        Raises:
            TeamClaimed: the run was resumed by another process, or abandoned; nothing was sent.
        """
        ...

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for a lane, including the run's commitment."""

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest time by which further requests can be sent; see `Account.eta`."""
        ...

    async def say(self, update: ClaimUpdate) -> Answer:
        """Carry out an update of claims; a run whose claim is given is alive until `LetGo`, see `Hold.of`."""
        ...

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams, at all base URLs."""
        ...

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Set the commitment of a run; return False, and change nothing, if not all of the requests are free."""
        ...

    def keep(self, hold: Hold, requests: int) -> None:
        """Set the commitment of a run to as many of the requests as are free; stored with the next request for a slot."""


@attrs.define(eq=False, kw_only=True, repr=False)
class Hold:
    """The claims and the commitment of a run while it is alive in this process.

    Attributes:
        run: the id of the run.
        number: the fencing number; a process that resumes the run gets a higher one, and older ones get no slot.
        journal_number: the last number of the run's journal that the ledger knew when the run was started or resumed;
            None if it knew none.
        known: whether the ledger knew the run.
        committed: the commitment, in requests of the day.
        worked_until: for each team that it has begun, when another run last released it (UTC), if the ledger knows.
    """

    run: str
    number: int
    journal_number: int | None
    known: bool
    committed: int = 0
    worked_until: dict[str, datetime] = attrs.field(factory=dict, init=False)
    _claims: Claims = attrs.field(alias="claims")
    _noted: int | None = attrs.field(default=None, init=False)
    _lost: TeamClaimed | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._noted = self.journal_number

    @classmethod
    def of(cls, run: str, given: Given, claims: Claims) -> Hold:
        """Return the hold of a run whose claim was given."""
        return cls(
            run=run,
            number=given.number,
            journal_number=given.journal_number,
            known=given.known,
            claims=claims,
        )

    @property
    def lost(self) -> TeamClaimed | None:
        """Why the run must not send anything more; None while it may."""
        return self._lost

    def note_journal(self, number: int) -> None:
        """Record the number of the last commit in the run's journal, which the next request for a slot reports."""
        self._noted = number

    def mark(self) -> Noted:
        """Return the update of claims that goes with each request for a slot."""
        return Noted(self.run, self.number, self._noted)

    def check(self) -> None:
        """Check whether the run may still send, from memory only; called right before each wire request.

        Raises:
            TeamClaimed: it was resumed by another process, or abandoned.
        """
        if self._lost is not None:
            raise self._lost.again()

    def overtaken(self, how: Overtaken) -> TeamClaimed:
        """Record that the run was resumed by another process, or abandoned; return the error for that."""
        if self._lost is None:
            self._lost = overtaken(how)
        return self._lost

    async def begin(self, team_id: str) -> TeamClaimed | None:
        """Begin a team; return the error to report if another run has begun it meanwhile, else None.

        Raises:
            TeamClaimed: the run itself was resumed by another process, or abandoned.
            ConfigError: the ledger cannot be used.
        """
        self.check()
        answer = await self._claims.say(TeamBegun(self.run, self.number, team_id))
        if isinstance(answer, Overtaken):
            raise self.overtaken(answer)
        if isinstance(answer, Given) and answer.worked_until is not None:
            self.worked_until[team_id] = answer.worked_until
        return answer.refusal() if isinstance(answer, Claim) else None

    async def release(self, team_id: str, changed_until: datetime | None) -> None:
        """Release a team that is done. If the ledger cannot be written, a warning is logged and `close` releases it.

        Args:
            team_id: the team.
            changed_until: the current time (UTC) if the run has changed the team, which makes older lists stale.
        """
        if self._lost is None:
            await self._tell(TeamDone(self.run, self.number, team_id, changed_until))

    async def commit(self, requests: int) -> bool:
        """Set the commitment to the requests of the day that the run needs to finish what it has begun.

        Returns False, and changes nothing, if it would increase by more than is free. It can always be reduced.
        """
        if requests == self.committed:
            return True
        return await self._claims.commit(self, requests)

    def keep(self, requests: int) -> None:
        """Set the commitment to as many of the requests as are free."""
        if requests != self.committed:
            self._claims.keep(self, requests)

    async def close(self, *, finished: bool, at: datetime) -> None:
        """End the hold; the claims remain if the run is not finished and has a journal."""
        if self._closed:
            return
        self._closed = True
        if finished and self._lost is None:
            await self._tell(Finished(self.run, self.number, at))
        self.keep(0)
        await self._claims.say(LetGo(self.run))

    async def _tell(self, update: ClaimUpdate) -> None:
        try:
            answer = await self._claims.say(update)
        except DooError as error:
            logger.warning("the claims of the run %s could not be released: %s", self.run, error)
        else:
            if isinstance(answer, Overtaken):
                self.overtaken(answer)


def overtaken(how: Overtaken) -> TeamClaimed:
    """Return the error for a run that must not send anything more."""
    words = (
        f"the run {how.run} was abandoned with bulk.abandon; nothing more is sent for it. Its journal can be reported, "
        "verified and undone; begin a new run for what is still wanted"
        if how.given_up
        else f"another process has resumed the run {how.run}, or released it; this one sends nothing more. Wait for the end "
        "of the other one, and resume the run then if it is unfinished"
    )
    return TeamClaimed(words, run=how.run, alive=not how.given_up)


def already_alive(update: Claimed, known: Answer) -> Claim:
    """Return the answer for a run that claims teams, but is alive already: its claim, as the ledger knows it.

    The ledger does not know it yet while the other is about to write it down, or any more while it ends.
    """
    if isinstance(known, Claim) and known.teams:
        return known
    return Claim(
        run=update.run,
        base_url=update.base_url,
        teams=update.teams or ("",),
        journal=update.journal,
        command=update.command,
        who=update.who,
        since=update.since,
        alive=True,
    )


def with_living(update: ClaimUpdate, living: Living, carry_out: Callable[[ClaimUpdate], Answer]) -> Answer:
    """Carry out an update of claims; a run that claims teams is alive from then on, unless it is alive already."""
    if isinstance(update, LetGo):
        living.let_go(update.run)
        return Given(number=0)
    if not isinstance(update, Claimed):
        return carry_out(update)
    if not living.hold(update.run):
        return already_alive(update, carry_out(LookedUp(update.run)))
    given: Answer | None = None
    try:
        answer = given = carry_out(update)
    finally:
        if not isinstance(given, Given):
            living.let_go(update.run)
    return answer
