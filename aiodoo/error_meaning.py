"""What an error means: for a try of its request, for the team whose list it kept from being read, and for a run.

The one place that decides it; what became of a changing request is decided in `protocol.outcome`, which asks here
what was never sent.
"""

from __future__ import annotations

from enum import Enum, auto

import attrs

from aiodoo import errors
from aiodoo.errors import DooError, TransportError


class ForTry(Enum):
    """What an error means for the next try of a request that may be repeated."""

    REPEAT = auto()
    """The cause may be gone in a moment."""
    END = auto()
    """Another try ends the same way."""


class ForTeam(Enum):
    """What an error means for a team whose list could not be read because of it."""

    LATER = auto()
    """The list is worth reading again in a while."""
    GIVEN_UP = auto()
    """It is this team's, and stays: what needs the list ends with it."""
    NOTHING = auto()
    """It says nothing of the team: every other one would meet it."""


class ForRun(Enum):
    """What an error means for a run."""

    GO_ON = auto()
    """It is about one operation or one team."""
    WAIT = auto()
    """Nothing was done for a cause that passes, such as an outage: it may be asked for again."""
    PARK = auto()
    """The day's quota is spent."""
    STOP = auto()
    """Every team would meet it, and time does not mend it: nothing was done, and nothing more is sent."""

    @property
    def ends_all(self) -> bool:
        """Whether it ends whatever goes through many teams."""
        return self in {ForRun.PARK, ForRun.STOP}


@attrs.frozen
class Meaning:
    """What a class of errors means.

    Attributes:
        for_try, for_team, for_run: what to do next.
        not_sent: whether it is raised before anything is sent.
    """

    for_try: ForTry
    for_team: ForTeam
    for_run: ForRun
    not_sent: bool = False


_OURS = Meaning(ForTry.END, ForTeam.NOTHING, ForRun.STOP, not_sent=True)
_PASSING = Meaning(ForTry.REPEAT, ForTeam.LATER, ForRun.GO_ON)
_OF_A_LIST = Meaning(ForTry.END, ForTeam.LATER, ForRun.GO_ON)
_REFUSED = Meaning(ForTry.END, ForTeam.GIVEN_UP, ForRun.GO_ON)

UNREACHABLE = Meaning(ForTry.REPEAT, ForTeam.NOTHING, ForRun.WAIT, not_sent=True)
"""doo could not be reached for now."""

NO_CONNECTION = Meaning(ForTry.REPEAT, ForTeam.NOTHING, ForRun.STOP, not_sent=True)
"""There is no connection for a reason that lies with this machine or its settings, such as an unknown host."""

UNTRUSTED = attrs.evolve(NO_CONNECTION, for_try=ForTry.END)
"""No connection can be had, however often it is tried: a certificate, a proxy that refuses."""

TABLE: dict[type[DooError], Meaning] = {
    DooError: _REFUSED,
    # Before anything is sent.
    errors.ConfigError: _OURS,
    errors.NotCopyable: _OURS,
    errors.UnsafePlan: _OURS,
    errors.SecretsNeeded: _OURS,
    errors.DeadlineExceeded: attrs.evolve(_OURS, for_run=ForRun.WAIT),
    errors.QueueFull: attrs.evolve(_OURS, for_run=ForRun.WAIT),
    errors.QuotaExhausted: attrs.evolve(_OURS, for_run=ForRun.PARK),
    # No usable answer; what was not sent is in `_of_transport`.
    errors.TransportError: _PASSING,
    # A page of HTML where JSON should be is a proxy's or a maintenance notice; JSON of another shape is not.
    errors.NotJson: _PASSING,
    errors.ProtocolError: _OF_A_LIST,
    errors.BodyTooLarge: _OF_A_LIST,
    errors.SchemaMismatch: _OF_A_LIST,
    errors.PaginationError: _OF_A_LIST,
    errors.UnexpectedRedirect: _OF_A_LIST,
    errors.UnstableListing: _OF_A_LIST,
    # doo, or the gateway before it, said no.
    errors.ServerError: _PASSING,
    errors.ApiError: _REFUSED,
    errors.PermissionDenied: _REFUSED,
    errors.NotFound: _REFUSED,
    errors.InvalidRequest: _REFUSED,
    errors.AuthenticationError: Meaning(ForTry.END, ForTeam.NOTHING, ForRun.STOP),
    # The ledger has waited as long as one call may; the cause is the whole key's.
    errors.RateLimited: Meaning(ForTry.END, ForTeam.NOTHING, ForRun.WAIT, not_sent=True),
    # What a call or a run concludes.
    errors.OutcomeUnknown: _REFUSED,
    errors.PlanDrift: _REFUSED,
    # Met at a request, it says that the run is another process's now.
    errors.TeamClaimed: _OURS,
    errors.BulkFailed: _REFUSED,
    # What keeps the journal from being written stops what it is for.
    errors.JournalError: _OURS,
    errors.JournalLocked: _OURS,
    errors.JournalMismatch: _OURS,
    errors.JournalWriteFailed: _OURS,
}
"""Every class has its row; a subclass that somebody else defines means what its nearest base means."""


def meaning(error: DooError) -> Meaning:
    """Return what an error means."""
    if isinstance(error, TransportError) and not error.sent:
        return _of_no_connection(error)
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def for_try(error: DooError) -> ForTry:
    """Return what an error means for the next try of its request."""
    return meaning(error).for_try


def for_team(error: DooError) -> ForTeam:
    """Return what an error means for the team whose list it kept from being read."""
    return meaning(error).for_team


def for_run(error: DooError) -> ForRun:
    """Return what an error means for a run that met it."""
    return meaning(error).for_run


def not_sent(error: BaseException) -> bool:
    """Return whether an error proves that its request has not been sent, or that doo has not acted on it.

    A 429 counts as that: it is given instead of acting.
    """
    return isinstance(error, DooError) and meaning(error).not_sent


def _of_no_connection(error: TransportError) -> Meaning:
    if error.unreachable:
        return UNREACHABLE
    return UNTRUSTED if error.lasting else NO_CONNECTION
