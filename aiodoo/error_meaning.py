"""What each class of error means for the next attempt, for a team whose list could not be read, and for a run.

Whether a changing request was carried out is decided by `protocol.outcome`, which asks `not_sent` here.
"""

from __future__ import annotations

from enum import Enum, auto

import attrs

from aiodoo import errors
from aiodoo.errors import DooError, TransportError


class ForTry(Enum):
    """What an error means for the next attempt of a request that may be repeated."""

    REPEAT = auto()
    """The cause may be temporary."""
    END = auto()
    """Another attempt would fail the same way."""


class ForTeam(Enum):
    """What an error means for a team whose list could not be read because of it."""

    LATER = auto()
    """Read the list again later."""
    GIVEN_UP = auto()
    """The error is permanent for this team: operations that need the list end with it."""
    NOTHING = auto()
    """The error is not about the team: every other team would get it as well."""


class ForRun(Enum):
    """What an error means for a run."""

    GO_ON = auto()
    """The error is about one operation or one team."""
    WAIT = auto()
    """Nothing was done for a temporary cause, such as an outage: send it again later."""
    PARK = auto()
    """The daily quota is spent."""
    STOP = auto()
    """Every team would get the error, and it is permanent: nothing was done, and nothing more is sent."""

    @property
    def ends_all(self) -> bool:
        """Whether it ends a walk or run over many teams."""
        return self in {ForRun.PARK, ForRun.STOP}


@attrs.frozen(repr=False)
class Meaning:
    """What a class of errors means.

    Attributes:
        for_try, for_team, for_run: what to do next.
        not_sent: whether the request was not sent, or certainly not carried out.
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
"""doo cannot be reached, for a temporary cause."""

NO_CONNECTION = Meaning(ForTry.REPEAT, ForTeam.NOTHING, ForRun.STOP, not_sent=True)
"""There is no connection because of this machine or its settings, such as an unknown host."""

UNTRUSTED = attrs.evolve(NO_CONNECTION, for_try=ForTry.END)
"""There is no connection, and another attempt does not help: an invalid certificate, a proxy that refuses."""

TABLE: dict[type[DooError], Meaning] = {
    DooError: _REFUSED,
    # Before anything is sent.
    errors.ConfigError: _OURS,
    errors.NotCopyable: _OURS,
    errors.UnsafePlan: _OURS,
    errors.SecretsNeeded: _OURS,
    errors.DeadlineExceeded: attrs.evolve(_OURS, for_run=ForRun.WAIT),
    errors.QueueFull: attrs.evolve(_OURS, for_run=ForRun.WAIT),
    errors.QuotaUnavailable: attrs.evolve(_OURS, for_run=ForRun.WAIT),
    errors.QuotaExhausted: attrs.evolve(_OURS, for_run=ForRun.PARK),
    # No usable answer; for what was not sent see `_of_no_connection`.
    errors.TransportError: _PASSING,
    # HTML in place of JSON is a proxy's page or a maintenance notice, and so temporary; JSON of another shape is not.
    errors.NotJson: _PASSING,
    errors.ProtocolError: _OF_A_LIST,
    errors.BodyTooLarge: _OF_A_LIST,
    errors.SchemaMismatch: _OF_A_LIST,
    errors.PaginationError: _OF_A_LIST,
    errors.UnexpectedRedirect: _OF_A_LIST,
    errors.UnstableListing: _OF_A_LIST,
    # Refused by doo or its gateway.
    errors.ServerError: _PASSING,
    errors.ApiError: _REFUSED,
    errors.PermissionDenied: _REFUSED,
    errors.NotFound: _REFUSED,
    errors.InvalidRequest: _REFUSED,
    errors.AuthenticationError: Meaning(ForTry.END, ForTeam.NOTHING, ForRun.STOP),
    # Raised by the ledger when the pause of the API key outlasts the call.
    errors.RateLimited: Meaning(ForTry.END, ForTeam.NOTHING, ForRun.WAIT, not_sent=True),
    # Conclusions of a call or a run.
    errors.OutcomeUnknown: _REFUSED,
    errors.PlanDrift: _REFUSED,
    # Raised at a request if another process has taken over the run.
    errors.TeamClaimed: _OURS,
    errors.BulkFailed: _REFUSED,
    # Without its journal a run must not continue.
    errors.JournalError: _OURS,
    errors.JournalLocked: _OURS,
    errors.JournalMismatch: _OURS,
    errors.JournalWriteFailed: _OURS,
}
"""A row for each class of `errors`; other subclasses mean what their nearest base means."""


def meaning(error: DooError) -> Meaning:
    """Return what an error means."""
    if isinstance(error, TransportError) and not error.sent:
        return _of_no_connection(error)
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def for_try(error: DooError) -> ForTry:
    """Return what an error means for the next attempt of its request."""
    return meaning(error).for_try


def for_team(error: DooError) -> ForTeam:
    """Return what an error means for a team whose list could not be read."""
    return meaning(error).for_team


def for_run(error: DooError) -> ForRun:
    """Return what an error means for a run."""
    return meaning(error).for_run


def not_sent(error: BaseException) -> bool:
    """Return whether an error proves that its request was not sent, or that doo has not carried it out.

    A 429 is such a proof.
    """
    return isinstance(error, DooError) and meaning(error).not_sent


def _of_no_connection(error: TransportError) -> Meaning:
    if error.unreachable:
        return UNREACHABLE
    return UNTRUSTED if error.lasting else NO_CONNECTION
