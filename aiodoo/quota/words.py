"""What is said to a ledger, as data.

A word can be encoded and carried out elsewhere: in memory, in a file's transaction, or by a script of a server. An
instant in a word is in monotonic seconds of the process that says it; whoever carries it out is told what makes its
own time of that.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Sent(msgspec.Struct, frozen=True, tag=True):
    """The request leaves only now, because connecting took a while."""

    number: int
    at: float


class GaveBack(msgspec.Struct, frozen=True, tag=True):
    """The request was not sent."""

    number: int


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The answer is complete; `round_trip` is None if it was not measured."""

    number: int
    at: float
    sent_at: float
    round_trip: float | None
    refused: bool


class Lost(msgspec.Struct, frozen=True, tag=True):
    """No answer will come."""

    number: int
    at: float
    sent_at: float


class Paused(msgspec.Struct, frozen=True, tag=True):
    """doo asked the key to wait; see `Account.pause`."""

    at: float
    seconds: float | None
    unreadable: bool
    refused: bool
    sent_at: float | None


class DaySpent(msgspec.Struct, frozen=True, tag=True):
    """doo says that the day is spent."""

    at: float


class Left(msgspec.Struct, frozen=True, tag=True):
    """Whoever asked for slots under this name asks no more."""

    holder: str


class Committed(msgspec.Struct, frozen=True, tag=True):
    """A run needs so many requests of the day to finish what it has begun.

    Less than it had is kept for it always, more only if they are free; `whole`: all of them or nothing more, else as many as
    are free.
    """

    run: str
    requests: int
    at: float
    whole: bool


LedgerUpdate = Sent | GaveBack | Answered | Lost | Paused | DaySpent | Left | Committed
"""What is said of one API key's account."""


class Claimed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A run begins and claims its teams, all of them or none; or it goes on and claims those that no other has begun.

    Attributes:
        run: its id.
        base_url: of the service that the teams are at.
        teams: those that are not done.
        journal: where its journal is; None without one.
        command: the name of the subcommand, never its arguments, which may hold secrets.
        who: the user and host.
        since: when (UTC).
    """

    run: str
    base_url: str
    teams: tuple[str, ...]
    journal: str | None
    command: str | None
    who: str
    since: datetime


class TeamBegun(msgspec.Struct, frozen=True, tag=True):
    """A run comes to a team."""

    run: str
    number: int
    team_id: str


class TeamDone(msgspec.Struct, frozen=True, tag=True):
    """A run lets go of a team; `changed_until` is the present (UTC) if it has changed the team."""

    run: str
    number: int
    team_id: str
    changed_until: datetime | None = None


class Noted(msgspec.Struct, frozen=True, tag=True):
    """A run asks for a slot; `journal_number` is that of the last commit in its journal."""

    run: str
    number: int
    journal_number: int | None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """A run lets go of all its teams; `at` is the present (UTC)."""

    run: str
    number: int
    at: datetime | None = None


class Abandoned(msgspec.Struct, frozen=True, tag=True):
    """A person gives a run up."""

    run: str


ClaimWord = Claimed | TeamBegun | TeamDone | Noted | Finished | Abandoned
"""What is said of the claims of runs."""
