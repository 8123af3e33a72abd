"""The kinds of records that commands print as JSON; each has the same keys wherever it is printed.

An id has the name of what it identifies, also in the record of that itself: `team_id`, `webhook_id`, `run_id`. The
schema of `-o json` is made of these classes.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class Profile(TypedDict):
    """A profile, without its secrets.

    Attributes:
        default: whether it is used if none is named.
        base_url: its base URL; null for doo's own.
        settings: what else the file says of it, with secrets as *** or as where they are.
    """

    kind: Literal["profile"]
    profile: str
    default: bool
    base_url: Any
    settings: dict[str, Any]


class Account(TypedDict):
    """The account of a profile.

    Attributes:
        credentials: where each credential comes from.
    """

    kind: Literal["account"]
    profile: str
    team_id: str
    organization_id: str | None
    base_url: str
    per_second: float | None
    per_day: int | None
    credentials: dict[str, str]


class Quota(TypedDict):
    """The quota of an API key, as the ledger of this machine counts it; null where there is no limit.

    Attributes:
        left_for_bulk: what runs may use of what is left.
        free_again_at: when there is room again; null if there is room now.
    """

    kind: Literal["quota"]
    profile: str
    used: int
    left: int | None
    left_for_bulk: int | None
    per_day: int | None
    per_second: float | None
    free_again_at: str | None


class Organization(TypedDict):
    """An organization and its teams."""

    kind: Literal["organization"]
    profile: str
    organization_id: str
    name: str | None
    team_ids: list[str]


class Hook(TypedDict):
    """One hook, as doo lists it: its type may have a suffix."""

    type: str
    method: NotRequired[str]
    endpoint: str
    origin: NotRequired[dict[str, Any] | None]


class Authentication(TypedDict):
    """How doo gets a token before it calls a hook; secrets are masked."""

    grant_type: NotRequired[str]
    endpoint: NotRequired[str]
    credentials: NotRequired[dict[str, Any]]
    header_format: NotRequired[str]
    header_value_format: NotRequired[str]


class Webhook(TypedDict):
    """A webhook configuration, as doo lists it; what doo lists beyond these keys is there too."""

    kind: Literal["webhook"]
    profile: str
    team_id: str
    webhook_id: str
    name: str
    hooks: list[Hook]
    description: NotRequired[str | None]
    event_id: NotRequired[str | int | None]
    event_guide_id: NotRequired[str | int | None]
    authentication: NotRequired[Authentication | None]


Status: TypeAlias = Literal[
    "applied", "unchanged", "skipped", "failed", "unknown", "unfinished", "not_started", "in_progress"
]


class Outcome(TypedDict):
    """How one operation of a run has ended, or how far it has come.

    Attributes:
        run_id: the run; null if nothing had to be changed, and there is none.
        index: its place in the run, from 0.
        old_id: the webhook configuration that it changes; null for a create.
        webhook_id: the present one: the new one after a change, the old one after a delete or if nothing had to change.
        ended: whether the status is final; if not, resuming the run continues it.
        scope_unknown: whether a copy may reach more events than its original; null where only a journal tells.
        both_live: whether the old and the new one may both be live; null where only a journal tells.
    """

    kind: Literal["outcome"]
    profile: str
    run_id: str | None
    index: int
    team_id: str
    operation: str
    old_id: str | None
    webhook_id: str | None
    status: Status
    ended: bool
    reason: str | None
    error: str | None
    scope_unknown: bool | None
    both_live: bool | None


class Run(TypedDict):
    """A run: what one command changes. It is the last record of a command that changes something.

    Attributes:
        began: when it began.
        state: "not begun", "running", "parked", "stopped", "interrupted", "finished", "abandoned" or "damaged".
        resume_at: when the daily quota has room to resume a parked run.
        operations: the number of operations; null if its journal cannot be read.
        done: how many of them have ended.
        begun: how many more have been begun; some of them may want nothing but a list that confirms them.
        requests: the requests so far, without those for a token.
        counts: the number of operations by status, without statuses that none has.
        stopped_because: why it stopped before it was finished.
        outcomes: its operations, only in the output of `runs show -o json`; JSON lines print them before the run.
    """

    kind: Literal["run"]
    profile: str
    run_id: str
    command: str
    began: str
    state: Literal[
        "not begun", "running", "parked", "stopped", "interrupted", "finished", "abandoned", "damaged"
    ]
    resume_at: str | None
    operations: int | None
    done: int | None
    begun: int | None
    requests: int | None
    counts: dict[str, int]
    stopped_because: str | None
    outcomes: NotRequired[list[Outcome]]


class Field(TypedDict):
    """A field with its old and its new value, as text; secrets as where they come from."""

    path: str
    old: str | None
    new: str | None


class Change(TypedDict):
    """A change that is planned, or that a dry run shows.

    Attributes:
        webhook_id: the webhook configuration that it changes; null for a create.
        status: how it is expected to end.
        reason: why it would end so, or why this webhook configuration was chosen.
        may_widen: whether the changed copy may reach more events than its original.
        line: the line of the file that declares it.
        fields: what changes; of what is created or deleted, all fields.
    """

    kind: Literal["change"]
    profile: str
    team_id: str
    webhook_id: str | None
    operation: str
    name: str | None
    status: Status
    reason: str | None
    may_widen: bool
    line: int | None
    fields: list[Field]


class Forecast(TypedDict):
    """What changes would cost.

    Attributes:
        requests: the requests, without those for a token.
        seconds: how long it takes at the rate limit.
        days: how many daily quotas of runs it takes.
        counts: the number of operations by the status with which they would end.
        cannot_end: why the run can never end with the daily quota; null if it can.
    """

    kind: Literal["forecast"]
    profile: str
    requests: int
    seconds: float
    days: float
    counts: dict[str, int]
    cannot_end: str | None


class Problem(TypedDict):
    """A team or a declaration that a plan omits."""

    team_id: str
    about: str
    line: int | None


class Plan(TypedDict):
    """The changes that make doo's lists equal to a file.

    Attributes:
        digest: it identifies the plan.
        counts: the number of changes of each kind, of what is unchanged and of what is not declared.
        new_hosts: hosts that no webhook configuration of these teams has had before.
        changes: the changes; JSON lines print them before the plan.
    """

    kind: Literal["plan"]
    profile: str
    file: str
    digest: str
    counts: dict[str, int]
    forecast: Forecast
    new_hosts: list[str]
    problems: list[Problem]
    changes: NotRequired[list[Change]]


class Validation(TypedDict):
    """Whether a file is valid; if not, what is wrong, a text for each fault."""

    kind: Literal["validation"]
    file: str
    valid: bool
    faults: list[str]


class Finding(TypedDict):
    """What an audit has found about one webhook configuration.

    Attributes:
        check: which check has found it, such as "twin".
        about: what was found.
        command: the command that mends it, or shows more.
    """

    kind: Literal["finding"]
    profile: str
    severity: Literal["error", "warning", "info"]
    check: str
    team_id: str
    webhook_id: str
    name: str
    about: str
    command: str


class Difference(TypedDict):
    """Where a team differs from what a run wanted.

    Attributes:
        webhook_id: the first of the webhook configurations that it is about; null if there is none.
        webhook_ids: all of them.
        operation: what the run did there; null if the team could not be read.
        about: what differs.
    """

    kind: Literal["difference"]
    profile: str
    run_id: str
    team_id: str
    webhook_id: str | None
    webhook_ids: list[str]
    operation: str | None
    about: str


class Check(TypedDict):
    """What the doctor has checked: passed, worth a look, wrong, or a fact about this account."""

    kind: Literal["check"]
    profile: str | None
    verdict: Literal["ok", "look", "wrong", "fact"]
    subject: str
    found: str
    advice: str


class Initialization(TypedDict):
    """How many items doo sends again."""

    kind: Literal["initialization"]
    profile: str
    resource: str
    items_processed: int


class Delivery(TypedDict):
    """A delivery that a sandbox makes."""

    kind: Literal["delivery"]
    number: int
    type: str
    webhook_id: str
    endpoint: str
    state: str


class Received(TypedDict):
    """A delivery that `aiodoo listen` has received.

    Attributes:
        event_id: the id of the event, if it is known.
        data: what was delivered.
    """

    kind: Literal["received"]
    received_at: str
    type: str
    event_id: str | None
    data: Any


KINDS = (
    Profile,
    Account,
    Quota,
    Organization,
    Webhook,
    Outcome,
    Run,
    Change,
    Forecast,
    Plan,
    Validation,
    Finding,
    Difference,
    Check,
    Initialization,
    Delivery,
    Received,
)
