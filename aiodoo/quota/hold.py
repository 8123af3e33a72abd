"""A run's hold on its teams and on its part of the day; what a ledger that knows claims offers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from aiodoo.errors import DooError, TeamClaimed
from aiodoo.quota.claims import Answer, Claim, Given, Overtaken
from aiodoo.quota.ledger import Lane, Permits, Slot
from aiodoo.quota.words import Claimed, ClaimWord, Finished, Noted, TeamBegun, TeamDone

logger = logging.getLogger("aiodoo.quota")


class Living(Protocol):
    """Knows which runs are going on in some process. None of its methods waits for long."""

    def hold(self, run: str) -> bool:
        """Take a run for alive from now on; False if it is going on elsewhere."""
        ...

    def let_go(self, run: str) -> None:
        """Take a run for alive no more."""

    def alive(self, run: str) -> bool:
        """Return whether a run is going on, here or elsewhere."""
        ...

    def sweep(self) -> None:
        """Take away what killed runs have left, if they leave anything."""


class Claims(Protocol):
    """What an account offers whose ledger knows claims and commitments; `WithClaims` helps those that do not."""

    async def acquire(
        self, lane: Lane, permits: Permits, *, give_up_at: float | None = None, hold: Hold | None = None
    ) -> Slot:
        """Wait for a slot and a permit; see `Account.acquire`.

        Args:
            lane, permits, give_up_at: as there.
            hold: of the run that asks, which may use what is kept for it of the day.

        Raises:
            TeamClaimed: the run was taken up by another process, or given up; nothing was sent.
        """
        ...

    def left(self, lane: Lane, *, hold: Hold | None = None) -> int | None:
        """Return how many requests of the day are free for that lane, with what is kept for a run."""

    def eta(self, requests: int, lane: Lane, *, hold: Hold | None = None) -> float:
        """Return the earliest instant by which so many requests more can have left; see `Account.eta`."""
        ...

    async def claim(self, word: Claimed) -> Hold | Claim | Overtaken:
        """Claim a run's teams, or return who is in the way; then nothing was claimed."""
        ...

    async def say(self, word: ClaimWord) -> Answer:
        """Carry out what is said of claims."""
        ...

    async def claims(self) -> Sequence[Claim]:
        """Return the runs that claim teams, at every service that the ledger is used for."""
        ...

    async def commit(self, hold: Hold, requests: int) -> bool:
        """Keep so many requests of the day for a run, in place of what was kept; False if they are not free."""
        ...

    def keep(self, hold: Hold, requests: int) -> None:
        """Keep so many, or as many of them as are free; written down with the next request for a slot."""

    async def let_go(self, hold: Hold) -> None:
        """Take the run for alive no more, and keep nothing of the day for it."""


@attrs.define(eq=False, kw_only=True)
class Hold:
    """What a run has of the ledger from its beginning to its end in this process.

    Attributes:
        run: its id.
        number: the fencing number. Whoever takes the run up has a higher one, and an older one gets no slot.
        journal_number: the last number of the run's journal that the ledger had when the run was taken up; None where it
            cannot tell.
        known: whether the ledger knew the run.
        committed: requests of the day that are kept for it.
        worked_until: for each team that it has come to, when another run last let go of it (UTC), if the ledger knows.
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

    @property
    def lost(self) -> TeamClaimed | None:
        """Why the run may send nothing more; None while it may."""
        return self._lost

    def note_journal(self, number: int) -> None:
        """Note the number of the last commit in the run's journal; the next request for a slot tells it."""
        self._noted = number

    def mark(self) -> Noted:
        """Return what a request for a slot says of the run."""
        return Noted(self.run, self.number, self._noted)

    def check(self) -> None:
        """Look whether the run may still send; costs nothing, called right before each wire request.

        Raises:
            TeamClaimed: it was taken up by another process, or given up.
        """
        if self._lost is not None:
            raise self._lost.again()

    def overtaken(self, how: Overtaken) -> TeamClaimed:
        """Note that the run is somebody else's now, or nobody's; return what is raised for it."""
        if self._lost is None:
            self._lost = overtaken(how)
        return self._lost

    async def begin(self, team_id: str) -> TeamClaimed | None:
        """Come to a team; return who has claimed it since the run began, if somebody has.

        Raises:
            TeamClaimed: the run itself is not this process's any more.
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
        """Let go of a team, which is done. Where that cannot be written down now, the run's end does so.

        Args:
            team_id: the team.
            changed_until: the present (UTC) if the run has changed it; a list that another run has read before is old then.
        """
        if self._lost is None:
            await self._tell(TeamDone(self.run, self.number, team_id, changed_until))

    async def commit(self, requests: int) -> bool:
        """Keep so many requests of the day for the run, all it needs to finish what it has begun.

        Returns False, and keeps what it kept, if more are wanted than are free. Less is always granted.
        """
        if requests == self.committed:
            return True
        return await self._claims.commit(self, requests)

    def keep(self, requests: int) -> None:
        """Keep so many requests of the day, or as many of them as are free."""
        if requests != self.committed:
            self._claims.keep(self, requests)

    async def close(self, *, finished: bool, at: datetime) -> None:
        """Let go of everything if the run is finished, or has no journal; else of all but its teams."""
        if self._closed:
            return
        self._closed = True
        if finished and self._lost is None:
            await self._tell(Finished(self.run, self.number, at))
        await self._claims.let_go(self)

    async def _tell(self, word: ClaimWord) -> None:
        try:
            answer = await self._claims.say(word)
        except DooError as error:
            logger.warning("the claims of the run %s could not be let go of: %s", self.run, error)
        else:
            if isinstance(answer, Overtaken):
                self.overtaken(answer)


def overtaken(how: Overtaken) -> TeamClaimed:
    """Return what is raised for a run that may send nothing more."""
    words = (
        f"the run {how.run} was given up with bulk.abandon; nothing more is sent for it. Its journal can be reported, "
        "verified and undone; begin a new run for what is still wanted"
        if how.given_up
        else f"another process has gone on with the run {how.run}, or let go of it; this one sends nothing more. Look at "
        "how the other one ends, or go on once it has"
    )
    return TeamClaimed(words, run=how.run, alive=not how.given_up)


@attrs.define
class LivingHere:
    """Runs of this event loop; a `Living`."""

    _runs: set[str] = attrs.field(factory=set, init=False)

    def hold(self, run: str) -> bool:
        """Take a run for alive."""
        if run in self._runs:
            return False
        self._runs.add(run)
        return True

    def let_go(self, run: str) -> None:
        """Take it for alive no more."""
        self._runs.discard(run)

    def alive(self, run: str) -> bool:
        """Return whether it is going on."""
        return run in self._runs

    def sweep(self) -> None:
        """Do nothing: they leave nothing."""


def hold_of(
    word: Claimed, claims: Claims, living: Living, carry_out: Callable[[], Answer]
) -> Hold | Claim | Overtaken:
    """Take a run for alive, carry out its claim, and return its hold; or who is in the way."""
    if not living.hold(word.run):
        return Claim(
            run=word.run,
            base_url=word.base_url,
            teams=word.teams or ("",),
            journal=word.journal,
            command=word.command,
            who=word.who,
            since=word.since,
            alive=True,
        )
    try:
        answer = carry_out()
    except BaseException:  # also when it is interrupted, the run is not taken for alive
        living.let_go(word.run)
        raise
    if not isinstance(answer, Given):
        living.let_go(word.run)
        return answer
    return Hold(
        run=word.run,
        number=answer.number,
        journal_number=answer.journal_number,
        known=answer.gone_on,
        claims=claims,
    )
