"""Every exception that aiodoo raises.

Public calls raise no others, except for `asyncio.CancelledError`::

    DooError
    ├── ConfigError               invalid input or settings; nothing was sent
    │   ├── NotCopyable           a webhook cannot be copied without losing something
    │   ├── UnsafePlan            a change would delete or widen more than is allowed
    │   └── SecretsNeeded         resuming needs secrets that are not stored on disk
    ├── TransportError            no usable answer; `.sent` tells whether doo may have received the request, and
    │                             `.unreachable` whether doo cannot be reached at present
    ├── ProtocolError             an answer that aiodoo does not accept
    │   ├── BodyTooLarge
    │   ├── NotJson
    │   ├── SchemaMismatch        JSON of another form than documented, at `.path`
    │   ├── PaginationError       pages that repeat, loop or do not end
    │   └── UnexpectedRedirect    never followed
    ├── ApiError                  doo or its gateway refused the request
    │   ├── AuthenticationError   401, or 403 "Forbidden" (a bad API key)
    │   ├── PermissionDenied      any other 403
    │   ├── NotFound              404
    │   ├── InvalidRequest        400, 422
    │   ├── RateLimited           429
    │   └── ServerError           5xx
    ├── QuotaExhausted            the daily quota is spent; nothing was sent
    ├── QuotaUnavailable          a shared ledger is away; nothing was sent
    ├── DeadlineExceeded          the deadline passed (also a TimeoutError); nothing is in doubt
    │   └── QueueFull             too many calls wait, or the wait would exceed the deadline; nothing was sent
    ├── OutcomeUnknown            a change may or may not have happened
    ├── UnstableListing           a team's list keeps changing while it is read
    ├── PlanDrift                 a plan no longer fits doo's lists
    ├── TeamClaimed               another run works on the team, or is unfinished there
    ├── BulkFailed                some operations of a run failed (also an ExceptionGroup)
    └── JournalError
        ├── JournalLocked         another process uses the journal
        ├── JournalMismatch       the journal is of another run
        └── JournalWriteFailed    nothing more was sent

All can be pickled, and none contains a secret, a header or a body.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime
from typing import Self

import attrs

SESSION_CLOSED = "this Session is closed and nothing was sent; open a new one"


class DooError(Exception):
    """Base class of all exceptions of aiodoo."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    def again(self) -> Self:
        """Return a copy without traceback and with notes of its own, to raise in another caller."""
        other = copy.copy(self)
        if hasattr(other, "__notes__"):
            other.__notes__ = [*other.__notes__]
        return other


class ConfigError(DooError, ValueError):
    """Input or settings are invalid; nothing was sent."""


class NotCopyable(ConfigError):
    """A webhook cannot be copied without losing something, such as a secret that doo masks."""


class UnsafePlan(ConfigError):
    """A change would delete or widen more than is allowed; nothing was sent."""


@attrs.frozen(kw_only=True)
class Missing:
    """A secret that a resumed run needs and that is not stored.

    Attributes:
        index: the index of the operation in the input, from 0.
        team_id: the team of the operation.
        webhook_id: the webhook configuration of the operation; None for a create.
        field: the path of the secret, such as `client_secret` in an `Update`, or
            `authentication.credentials.client_secret` in a whole configuration.
        source_team_id, source_webhook_id: the webhook configuration whose list showed it when the run was started, maybe
            in another account; None if it came from elsewhere.
        name: the name that the operation gives to the webhook configuration; None if it gives none.
    """

    index: int
    team_id: str
    webhook_id: str | None
    field: str
    source_team_id: str | None = None
    source_webhook_id: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        webhook = "" if self.webhook_id is None else f", webhook {self.webhook_id}"
        return f"{self.field} of row {self.index} (team {self.team_id}{webhook})"


class SecretsNeeded(ConfigError):
    """Resuming or undoing needs secrets that are not stored on disk; nothing was changed.

    Attributes:
        missing: the secrets that are needed.
    """

    def __init__(self, message: str = "", *, missing: Sequence[Missing] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class TransportError(DooError):
    """A request got no usable answer.

    Attributes:
        sent: False if it is certain that doo did not receive the request.
        unreachable: True if doo cannot be reached at present: the connection was refused or timed out, there is no
            route, or the name server does not answer. By default True if neither `sent` nor `lasting`.
        lasting: True if a retry cannot help, as with an untrusted certificate or a proxy that refuses.
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
        status: the HTTP status of the answer, if there is one.
        request_id: the gateway's id of the request, for doo's support.
    """

    def __init__(
        self, message: str = "", *, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class BodyTooLarge(ProtocolError):
    """The body of an answer exceeds the limit."""


class NotJson(ProtocolError):
    """The body of an answer is not valid JSON."""


class SchemaMismatch(ProtocolError):
    """The JSON of an answer does not have the documented form.

    Attributes:
        path: the path in the document, such as `$.hooks[0].type`.
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
    """The pages of a list repeat, loop or do not end."""


class UnexpectedRedirect(ProtocolError):
    """The answer is a redirect, which was not followed."""


class ApiError(DooError):
    """doo or its gateway refused a request.

    Attributes:
        status: the HTTP status, or a higher one in the body; None if it was derived from a list, as a `NotFound` may be.
        developer_message: doo's message for developers.
        user_message: doo's message for users.
        data: doo's details, such as `hooks[0].endpoint: ...`, as text with its secrets hidden.
        request_id: the gateway's id of the request, for doo's support.
        retry_after: the seconds to wait according to doo; None if the answer does not say.
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
    """There is no such team, webhook configuration or page."""


class InvalidRequest(ApiError):
    """doo rejected the content of the request."""


class RateLimited(ApiError):
    """The API key exceeded its rate limit or its daily quota.

    Attributes:
        day_spent: True if doo said that the daily quota is spent.
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
    """The daily quota is spent; nothing was sent.

    Attributes:
        resume_at: when the next request can be sent (UTC).
    """

    def __init__(self, message: str = "", *, resume_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resume_at = resume_at


class QuotaUnavailable(DooError):
    """The server of a shared ledger is away, so that nobody knows what may be sent; nothing was sent."""


class DeadlineExceeded(DooError, TimeoutError):
    """The deadline of a call passed; nothing is in doubt."""


class QueueFull(DeadlineExceeded):
    """Too many calls wait (`max_waiting=`), or the wait would exceed the deadline; nothing was sent."""


class OutcomeUnknown(DooError):
    """A change may or may not have happened; it was not repeated.

    Attributes:
        operation: "create", "update", "replace", "delete" or "initialize".
        sent_at: when the request in doubt was sent (UTC).
        cause: the error of that request.
        team_id: the team.
        old_id: the webhook configuration to be replaced or deleted; the message says whether that is in doubt.
        new_id: its replacement, if the id is known.
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
    """A team's list kept changing while it was read, so nothing can be concluded from it.

    Attributes:
        too_long: True if it has more pages than the daily quota lets a run read twice, so that reading it again cannot help.
    """

    def __init__(self, message: str = "", *, too_long: bool = False) -> None:
        super().__init__(message)
        self.too_long = too_long


class PlanDrift(DooError):
    """A plan no longer fits doo's lists; nothing was sent for it."""


class TeamClaimed(DooError):
    """Another run has claimed the team, and is alive or unfinished; nothing was sent.

    The message names both ways to release the team: resume that run, or abandon it.

    Attributes:
        team_id: the team.
        run: the id of that run.
        journal: the path of its journal; None if it has none.
        since: when it claimed the team (UTC).
        alive: whether a process is working on it.
        who: the user and host that started or resumed it.
        command: the subcommand that started it, if any.
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
    """A group with one error for each operation of a run that was neither applied nor unchanged."""

    def __new__(cls, message: str, errors: Sequence[DooError]) -> Self:  # noqa: D102  # as ExceptionGroup's
        return super().__new__(cls, message, errors)

    def __init__(self, message: str, errors: Sequence[DooError]) -> None:
        # DooError.__init__ would omit the members from the pickle.
        super(DooError, self).__init__(message, errors)

    def derive(self, excs: Sequence[DooError], /) -> BulkFailed:  # type: ignore[override]  # members are DooErrors only
        """Return a group of some of the members; called by `split` and `except*`."""
        return BulkFailed(self.message, excs)


class JournalError(DooError):
    """The journal of a run cannot be used."""


class JournalLocked(JournalError):
    """Another process uses the journal."""


class JournalMismatch(JournalError):
    """The journal has other operations, none, those of another account, or a finished run."""


class JournalWriteFailed(JournalError):
    """The journal could not be written; nothing more was sent."""
