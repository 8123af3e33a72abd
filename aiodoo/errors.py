"""Every exception that aiodoo raises.

Whatever escapes a public call is one of these, or `asyncio.CancelledError`::

    DooError
    ├── ConfigError               wrong input or settings; nothing was sent
    │   ├── NotCopyable           a webhook cannot be copied without losing something
    │   ├── UnsafePlan            a change would remove more than was agreed to
    │   └── SecretsNeeded         resuming needs secrets that are not kept on disk
    ├── TransportError            no usable answer; `.sent` tells whether doo may have seen the request, and
    │                             `.unreachable` whether doo cannot be reached for now
    ├── ProtocolError             an answer that aiodoo does not accept
    │   ├── BodyTooLarge
    │   ├── NotJson
    │   ├── SchemaMismatch        JSON of another shape; `.path` tells where
    │   ├── PaginationError       pages that repeat, loop or never end
    │   └── UnexpectedRedirect    never followed
    ├── ApiError                  doo, or the gateway before it, said no
    │   ├── AuthenticationError   401, or 403 "Forbidden" (a bad API key)
    │   ├── PermissionDenied      any other 403
    │   ├── NotFound              404
    │   ├── InvalidRequest        400, 422
    │   ├── RateLimited           429
    │   └── ServerError           5xx
    ├── QuotaExhausted            the day's requests are spent; nothing was sent
    ├── DeadlineExceeded          the call's time ran out (also a TimeoutError); nothing is in doubt
    │   └── QueueFull             too many calls wait for their turn, or it comes too late; nothing was sent
    ├── OutcomeUnknown            a change may or may not have happened
    ├── UnstableListing           a team's list keeps changing while it is read
    ├── PlanDrift                 what was planned no longer fits what is there
    ├── TeamClaimed               another run works on the team, or was left half done there
    ├── BulkFailed                some operations of a run failed (also an ExceptionGroup)
    └── JournalError
        ├── JournalLocked         another run holds it
        ├── JournalMismatch       it holds another run than the one that is asked for
        └── JournalWriteFailed    nothing more was sent

Each pickles, and none carries a secret, a header or a body.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import Self

import attrs

SESSION_CLOSED = "this Session is closed and nothing was sent; open a new one"


class DooError(Exception):
    """Anything that aiodoo raises."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    def again(self) -> Self:
        """Return an equal error without a traceback, for the next caller that must hear of it.

        Its notes are its own: what one caller adds is not seen by the others.
        """
        other = copy.copy(self)
        if hasattr(other, "__notes__"):
            other.__notes__ = [*other.__notes__]
        return other


class ConfigError(DooError, ValueError):
    """Input or settings are wrong; nothing was sent."""


class NotCopyable(ConfigError):
    """A webhook cannot be copied without losing something, such as a secret that doo masks."""


class UnsafePlan(ConfigError):
    """A change would remove more than was agreed to; nothing was sent."""


@attrs.frozen(kw_only=True)
class Missing:
    """A secret that a resumed run needs, and that is stored nowhere.

    Attributes:
        index: the operation's place in the input, from 0.
        team_id: the operation's team.
        webhook_id: the webhook configuration that it names; None for one that is to be created.
        field: where the secret stands in it, such as `client_secret` of an `Update`, or
            `authentication.credentials.client_secret` of a whole configuration.
    """

    index: int
    team_id: str
    webhook_id: str | None
    field: str

    def __str__(self) -> str:
        webhook = "" if self.webhook_id is None else f", webhook {self.webhook_id}"
        return f"{self.field} of row {self.index} (team {self.team_id}{webhook})"


class SecretsNeeded(ConfigError):
    """Resuming or undoing needs secrets that are not kept on disk; nothing was changed.

    Attributes:
        missing: each of them, by row, team, webhook and field.
    """

    def __init__(self, message: str = "", *, missing: Sequence[Missing] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class TransportError(DooError):
    """A request got no usable answer.

    Attributes:
        sent: False if it is proven that doo never saw the request.
        unreachable: True if it was not sent because doo cannot be reached for now: the connection was refused or timed
            out, there is no route, or the name server does not answer. Unless it is given, what was not sent counts as
            that if it is not lasting.
        lasting: True if it was not sent for a reason that another try does not change: a certificate that is not
            trusted, or a proxy that refuses.
    """

    def __init__(
        self,
        message: str = "",
        *,
        sent: bool = True,
        unreachable: bool | None = None,
        lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.sent = sent
        self.unreachable = not (sent or lasting) if unreachable is None else unreachable
        self.lasting = lasting


class ProtocolError(DooError):
    """An answer that aiodoo does not accept.

    Attributes:
        status: the answer's HTTP status, if it had one.
        request_id: the gateway's name for the request, for doo's support.
    """

    def __init__(
        self, message: str = "", *, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class BodyTooLarge(ProtocolError):
    """An answer's body is larger than the cap."""


class NotJson(ProtocolError):
    """An answer's body is not JSON that can be read."""


class SchemaMismatch(ProtocolError):
    """An answer is JSON of another shape than doo documents.

    Attributes:
        path: where in the document, such as `$.hooks[0].type`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        path: str = "$",
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.path = path


class PaginationError(ProtocolError):
    """The pages of a list repeat, loop or never end."""


class UnexpectedRedirect(ProtocolError):
    """The answer was a redirect; it was not followed."""


class ApiError(DooError):
    """doo, or the gateway before it, refused a request.

    Attributes:
        status: the HTTP status, or the envelope's when that one is the worse; None where no answer said it, as for a
            `NotFound` that aiodoo found out from a list.
        developer_message: doo's words for developers.
        user_message: doo's words for users.
        data: what else doo said of it, such as `hooks[0].endpoint: ...`, as text; secrets in it are hidden.
        request_id: the gateway's name for the request, for doo's support.
        retry_after: seconds that doo asked to wait, if it said so.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        developer_message: str | None = None,
        user_message: str | None = None,
        data: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.developer_message = developer_message
        self.user_message = user_message
        self.data = data
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(ApiError):
    """The API key, the client credentials or a fresh token were refused."""


class PermissionDenied(ApiError):
    """The account may not do this."""


class NotFound(ApiError):
    """There is no such thing."""


class InvalidRequest(ApiError):
    """doo rejected what was sent."""


class RateLimited(ApiError):
    """The API key asked too often.

    Attributes:
        day_spent: True if doo said that the day's quota is used up.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        developer_message: str | None = None,
        user_message: str | None = None,
        data: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        day_spent: bool = False,
    ) -> None:
        super().__init__(
            message,
            status=status,
            developer_message=developer_message,
            user_message=user_message,
            data=data,
            request_id=request_id,
            retry_after=retry_after,
        )
        self.day_spent = day_spent


class ServerError(ApiError):
    """doo failed."""


class QuotaExhausted(DooError):
    """The day's requests are spent; nothing was sent.

    Attributes:
        resume_at: when the next request may leave (UTC).
    """

    def __init__(self, message: str = "", *, resume_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class DeadlineExceeded(DooError, TimeoutError):
    """The call's time ran out; nothing is in doubt."""


class QueueFull(DeadlineExceeded):
    """A call was turned away at once: too many wait (`max_waiting=`), or its turn cannot come in time; nothing was sent."""


class OutcomeUnknown(DooError):
    """A change may or may not have happened; it was not repeated.

    Attributes:
        operation: "create", "update", "replace", "delete" or "initialize".
        sent_at: when the request in doubt left (UTC).
        cause: what happened to it.
        team_id: the team it was for.
        old_id: the webhook configuration that was to be replaced or deleted; the message says whether that is in doubt.
        new_id: the copy that was made of it, if its id is known.
    """

    def __init__(
        self,
        message: str = "",
        *,
        operation: str = "",
        sent_at: datetime | None = None,
        cause: DooError | None = None,
        team_id: str | None = None,
        old_id: str | None = None,
        new_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.sent_at = sent_at
        self.cause = cause
        self.team_id = team_id
        self.old_id = old_id
        self.new_id = new_id


class UnstableListing(DooError):
    """A team's list kept changing while it was read, so nothing can be concluded from it."""


class PlanDrift(DooError):
    """What was planned no longer fits what is there; nothing was sent for it."""


class TeamClaimed(DooError):
    """Another run has claimed the team: it is alive, or was left half done; nothing was sent.

    The message names both ways to free the team: to resume that run, or to give it up.

    Attributes:
        team_id: the team.
        run: the id of that run.
        journal: where its journal is; None without one.
        since: since when it claims the team (UTC).
        alive: whether some process carries it out.
        who: the user and host that started or resumed it.
        command: the subcommand that started it, if it was one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        team_id: str | None = None,
        run: str = "",
        journal: str | None = None,
        since: datetime | None = None,
        alive: bool = False,
        who: str = "",
        command: str | None = None,
    ) -> None:
        super().__init__(message)
        self.team_id = team_id
        self.run = run
        self.journal = journal
        self.since = since
        self.alive = alive
        self.who = who
        self.command = command


class BulkFailed(DooError, ExceptionGroup[DooError]):
    """Some operations of a run were neither applied nor unchanged; one member for each."""

    def __new__(cls, message: str, errors: Sequence[DooError]) -> Self:  # noqa: D102  # as ExceptionGroup's
        return super().__new__(cls, message, errors)

    def __init__(self, message: str, errors: Sequence[DooError]) -> None:
        # Not DooError's, which would leave the members out of what is pickled.
        super(DooError, self).__init__(message, errors)

    def derive(self, excs: Sequence[DooError], /) -> BulkFailed:  # type: ignore[override]  # members are DooErrors only
        """Make the same group of some of its members (used by `split` and `except*`)."""
        return BulkFailed(self.message, excs)


class JournalError(DooError):
    """A run's journal cannot be used."""


class JournalLocked(JournalError):
    """Another run holds the journal."""


class JournalMismatch(JournalError):
    """The journal holds other operations than these, none, another account's, or a run that has ended."""


class JournalWriteFailed(JournalError):
    """The journal could not be written; nothing was sent after that."""
