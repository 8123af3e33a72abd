"""Updates of a ledger as plain data.

They can be encoded and carried out in memory, in the transaction of a file, or by a script of a server. Times are
monotonic seconds of the process that sends the update; who carries it out converts them to the time of the ledger.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Sent(msgspec.Struct, frozen=True, tag=True):
    """A request was sent noticeably after its grant, because connecting took time."""

    number: int
    at: float


class GaveBack(msgspec.Struct, frozen=True, tag=True):
    """A granted request was not sent."""

    number: int


class Answered(msgspec.Struct, frozen=True, tag=True):
    """A request was answered; `round_trip` is None if it was not measured."""

    number: int
    at: float
    sent_at: float
    round_trip: float | None
    refused: bool


class Lost(msgspec.Struct, frozen=True, tag=True):
    """A request will have no answer."""

    number: int
    at: float
    sent_at: float


class Paused(msgspec.Struct, frozen=True, tag=True):
    """The API key is paused; see `Account.pause`."""

    at: float
    seconds: float | None
    unreadable: bool
    refused: bool
    sent_at: float | None


class DaySpent(msgspec.Struct, frozen=True, tag=True):
    """doo has said that the day is spent."""

    at: float


class Left(msgspec.Struct, frozen=True, tag=True):
    """A holder no longer waits for a slot."""

    holder: str


class Committed(msgspec.Struct, frozen=True, tag=True):
    """A run commits requests of the day that it needs to finish what it has begun; see `DayWindow.keep`."""

    run: str
    requests: int
    at: float
    whole: bool


LedgerUpdate = Sent | GaveBack | Answered | Lost | Paused | DaySpent | Left | Committed
"""An update of one account."""


class Claimed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A run starts and claims all of its teams or none, or is resumed and claims those that no other run has begun.

    Attributes:
        run: the id of the run.
        base_url: the base URL of the service.
        teams: the ids of the teams that are not done.
        journal: the path of its journal; None without one.
        command: the name of the subcommand, without arguments, which may contain secrets.
        who: the user and host.
        since: the current time (UTC).
    """

    run: str
    base_url: str
    teams: tuple[str, ...]
    journal: str | None
    command: str | None
    who: str
    since: datetime


class TeamBegun(msgspec.Struct, frozen=True, tag=True):
    """A run begins a team."""

    run: str
    number: int
    team_id: str


class TeamDone(msgspec.Struct, frozen=True, tag=True):
    """A run releases a team; `changed_until` is the current time (UTC) if it has changed the team."""

    run: str
    number: int
    team_id: str
    changed_until: datetime | None = None


class Noted(msgspec.Struct, frozen=True, tag=True):
    """A run asks for a slot; `journal_number` is the number of the last commit in its journal."""

    run: str
    number: int
    journal_number: int | None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """A run is finished and releases all of its teams; `at` is the current time (UTC)."""

    run: str
    number: int
    at: datetime | None = None


class Abandoned(msgspec.Struct, frozen=True, tag=True):
    """A user abandons a run."""

    run: str


class LetGo(msgspec.Struct, frozen=True, tag=True):
    """A run is no longer alive in this process; its claims remain."""

    run: str


class LookedUp(msgspec.Struct, frozen=True, tag=True):
    """Somebody asks who works on a run; nothing changes."""

    run: str


ClaimUpdate = Claimed | TeamBegun | TeamDone | Noted | Finished | Abandoned | LetGo | LookedUp
"""An update of claims."""
