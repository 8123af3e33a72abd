"""The steps of one team's changes.

The order is: look at the team (a stable list, the baseline); send the plain creates; then updates in
batches, each "create up to ten, one list that compares them, delete the ten old ones"; then the plain
deletes; and one stable list at the end that confirms every delete. A create whose answer was lost is
settled first: wait until it can no longer land, look, and adopt it or prove that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from aiodoo.errors import (
    DooError,
    NotFound,
    OutcomeUnknown,
    ProtocolError,
    ServerError,
    TransportError,
    UnstableListing,
)
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Replace, Update
from aiodoo.reconcile import difference, find
from aiodoo.steps.actions import Action, Park, Scan, SendCreate, SendDelete, Wait
from aiodoo.steps.change import Change, Stage, Status
from aiodoo.steps.readiness import Readiness

_BEGUN = frozenset({Stage.MAYBE, Stage.CREATED})

BATCH = 10
"""Updates whose old and new webhook configurations may be live together."""

TRIES = 3
"""Creates proven not to have happened, and failed readings of a list, before a change is given up."""

_UNVERIFIED = frozenset({Stage.PLANNED, Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED})

_PASSING = (TransportError, ServerError, ProtocolError, UnstableListing)


@attrs.define(kw_only=True, eq=False)
class TeamSteps:
    """One team's changes and what is known of the team.

    Ask `next()` what to do and tell what came of it: `listed` or `not_listed` after a `Scan`, `applied`,
    `refused`, `in_doubt` or `not_sent` after a `SendCreate` or `SendDelete`. Several creates, or several
    deletes, may be on their way at once; a list is only read while nothing is.

    Attributes:
        settle: seconds after which a create without an answer can no longer land; None never waits for it.
        look_first: whether the team's list is read before anything else; only deletes can do without.
        known: the ids that the team had before anything was changed; None until they are found out.
    """

    team_id: str
    changes: tuple[Change, ...]
    facts: Facts
    settle: float | None = 130.0
    look_first: bool = True
    pages: int = 1
    page_size: int | None = None
    known: set[str] | None = None
    listing: dict[str, WebhookConfiguration] = attrs.field(factory=dict, repr=False)
    renamed: dict[str, str | None] = attrs.field(factory=dict)
    _looked: bool = attrs.field(default=False, init=False)
    _scanning: Scan | None = None
    _scans_failed: int = 0
    _batch: list[Change] = attrs.field(factory=list)
    _not_before: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._batch = [change for change in self._open() if change.swaps and change.stage in _BEGUN]
        if not self.look_first:
            self._make_ready()

    @property
    def done(self) -> bool:
        """Whether every change has ended."""
        return all(change.status is not None for change in self.changes)

    @property
    def looked(self) -> bool:
        """Whether the team's list has been read."""
        return self._looked

    @property
    def committed(self) -> int:
        """Requests still needed to finish what was begun: the batch, and the list that confirms the deletes."""
        open_ = [
            change for change in self._batch if change.status is None and change.stage is not Stage.DELETED
        ]
        creates = sum(change.stage is Stage.PLANNED for change in open_)
        unseen = any(change.stage in _UNVERIFIED for change in open_)
        confirming = self._stable if open_ or any(self._open(Stage.DELETED)) else 0
        return creates + len(open_) + (self.pages if unseen else 0) + confirming

    def next(self, now: float, left: int | None = None) -> Action | None:
        """Return what to do next, or None while that depends on answers that are still to come.

        Args:
            now: monotonic seconds.
            left: requests that a new batch may count on today; None is without limit.
        """
        if self._scanning is not None or self.done:
            return None
        if self.look_first and not self._looked:
            return self._look(now, stable=True)
        phases = ((self._create, Create | Ensure), (self._swap, Update | Replace), (self._delete, Delete))
        for phase, operations in phases:
            if action := phase(now, left):
                return action
            if any(change.in_flight and isinstance(change.operation, operations) for change in self.changes):
                return None
        return self._confirm(now)

    # What to do next, phase by phase.

    def _create(self, now: float, left: int | None) -> Action | None:  # noqa: ARG002  # every phase is asked alike
        for change in self._open(Stage.PLANNED):
            if isinstance(change.operation, Create | Ensure):
                return self._send_create(change)
        return None

    def _swap(self, now: float, left: int | None) -> Action | None:
        self._batch = [
            change for change in self._batch if change.status is None and change.stage is not Stage.DELETED
        ]
        if not self._batch:
            waiting = [change for change in self._open(Stage.PLANNED) if change.swaps][:BATCH]
            size = self._affordable(len(waiting), left)
            if waiting and not size:
                return Park(self._price(1))
            self._batch = waiting[:size]
        return self._swap_batch(now)

    def _swap_batch(self, now: float) -> Action | None:
        for change in self._batch:
            if change.stage is Stage.PLANNED:
                return self._send_create(change)
            if change.stage is Stage.VERIFIED:
                return self._send_delete(change)
        if any(change.in_flight for change in self.changes):
            return None
        if any(change.stage is Stage.CREATED for change in self._batch):
            return self._look(now, stable=False)
        return self._settle(now) if self._batch else None

    def _delete(self, now: float, left: int | None) -> Action | None:  # noqa: ARG002  # every phase is asked alike
        waiting = [change for change in self._open(Stage.PLANNED) if isinstance(change.operation, Delete)]
        if not waiting:
            return None
        # A create in doubt may be what takes the place of what is deleted here.
        return self._settle(now) or self._send_delete(waiting[0])

    def _confirm(self, now: float) -> Action | None:
        if action := self._settle(now):
            return action
        return self._look(now, stable=True) if any(self._open(Stage.DELETED)) else None

    def _settle(self, now: float) -> Action | None:
        since = [
            change.doubtful_since for change in self._open(Stage.MAYBE) if change.doubtful_since is not None
        ]
        if not since or self.settle is None:
            return None
        if (settled := max(since) + self.settle) > now:
            return Wait(settled, f"until {len(since)} create(s) without an answer can no longer land")
        return self._look(now, stable=True)

    def _look(self, now: float, *, stable: bool) -> Action:
        if self._not_before > now:
            return Wait(self._not_before, "until doo's list shows the latest changes")
        self._scanning = Scan(stable)
        return self._scanning

    def _send_create(self, change: Change) -> Action:
        assert change.wanted is not None  # noqa: S101  # it is ready
        change.stage = Stage.CREATE_INTENT
        change.creates_sent += 1
        return SendCreate(change, change.wanted)

    def _send_delete(self, change: Change) -> Action:
        assert change.old_id is not None  # noqa: S101  # it is ready
        change.stage = Stage.DELETE_INTENT
        change.deletes_sent += 1
        return SendDelete(change, change.old_id)

    # What came of it.

    def listed(
        self,
        webhooks: Iterable[WebhookConfiguration],
        *,
        pages: int,
        page_size: int | None = None,
        began: float,
        now: float,
    ) -> None:
        """Take in the list that the last `Scan` asked for; `began` is when its first request was made."""
        scan = self._scanning
        assert scan is not None  # noqa: S101  # nobody lists unasked
        listing = {webhook.id: webhook for webhook in webhooks}
        if (shrunk := self._shrunk(listing)) is not None:
            self.not_listed(shrunk, now)
            return
        self._scanning, self._scans_failed = None, 0
        self.listing = listing
        self.pages = pages
        self.page_size = page_size
        if self.known is None:
            self.known = set(self.listing)
        self._looked = True
        self._make_ready()
        self._adopt(began if scan.stable else None)
        for change in self._open(Stage.CREATED):
            self._verify(change, now)
        if scan.stable:
            for change in self._open(Stage.DELETED):
                self._check_gone(change, now)
        self._make_ready()

    def not_listed(self, error: DooError | None, now: float) -> None:
        """Take in that the list could not be read; without an error, that it was not asked for at all."""
        self._scanning = None
        if error is None:
            return
        self._scans_failed += 1
        if isinstance(error, _PASSING) and self.settle is not None and self._scans_failed < TRIES:
            self._not_before = now + 30.0 * self._scans_failed
            return
        for change in self._open():
            change.end(_unlisted(change), f"the list of team {self.team_id} could not be read", error)

    def applied(self, change: Change, webhook_id: str | None, now: float) -> None:
        """Take in that doo accepted a create (with its new id) or a delete (which proves nothing yet)."""
        if change.stage is Stage.DELETE_INTENT:
            self._deleted(change, now)
        elif webhook_id is None or webhook_id in self._accounted:
            self.in_doubt(
                change, OutcomeUnknown("doo answered with the id of another webhook", operation="create"), now
            )
        else:
            self._created(change, webhook_id, now)
        self._make_ready()

    def refused(self, change: Change, error: DooError, now: float) -> None:
        """Take in that a request was proven to have changed nothing."""
        if change.stage is Stage.CREATE_INTENT:
            change.stage = Stage.PLANNED
            change.end(Status.FAILED, "doo did not create it", error)
        elif isinstance(error, NotFound):
            self._deleted(change, now)
        else:
            live = (
                f"; {change.old_id} and its replacement {change.new_id} are both live" if change.swaps else ""
            )
            change.stage = Stage.VERIFIED if change.swaps else Stage.PLANNED
            change.end(Status.FAILED, f"doo did not delete {change.old_id}{live}", error)
        self._make_ready()

    def in_doubt(self, change: Change, error: DooError, now: float) -> None:
        """Take in that a request may or may not have changed something."""
        change.error = error
        if change.stage is Stage.DELETE_INTENT:
            self._deleted(change, now)
        else:
            change.stage = Stage.MAYBE
            change.doubtful_since = now
            if self.settle is None:
                kept = f"; {change.old_id} was kept" if change.swaps else ""
                change.end(Status.UNKNOWN, f"it may or may not have been created{kept}")
        self._make_ready()

    def not_sent(self, change: Change) -> None:
        """Take in that the request never left, so that it may be asked for again."""
        if change.stage is Stage.CREATE_INTENT:
            change.stage = Stage.PLANNED
            change.creates_sent -= 1
        else:
            change.stage = Stage.VERIFIED if change.swaps else Stage.PLANNED
            change.deletes_sent -= 1

    # What follows from it.

    def _make_ready(self) -> None:
        listing = self.listing if self.look_first else None
        Readiness(self.changes, listing, self.renamed, self.facts).prepare()

    def _created(self, change: Change, webhook_id: str, now: float) -> None:
        change.new_id = webhook_id
        change.stage = Stage.CREATED
        change.looked_at = now
        change.error = None
        if not change.swaps:
            change.end(Status.APPLIED)

    def _deleted(self, change: Change, now: float) -> None:
        change.stage = Stage.DELETED
        change.looked_at = now if change.deletes_sent == 1 or change.looked_at is None else change.looked_at
        if change.names is not None:
            self.renamed[change.names] = change.new_id

    def _adopt(self, began: float | None) -> None:
        """Find the creates in doubt in the list; one that a stable, late enough list lacks has not happened."""
        for change in self._open(Stage.MAYBE):
            assert change.wanted is not None and change.doubtful_since is not None  # noqa: S101, PT018  # it was sent
            found = find(change.wanted, self.listing.values(), self.facts, apart_from=self._accounted)
            if found is not None:
                self._created(change, found.id, change.doubtful_since)
            elif (
                began is not None and self.settle is not None and change.doubtful_since + self.settle <= began
            ):
                change.stage = Stage.PLANNED
                change.doubtful_since = None
                if change.creates_sent >= TRIES:
                    change.end(Status.FAILED, f"{TRIES} creates had no effect")

    def _verify(self, change: Change, now: float) -> None:
        assert change.wanted is not None and change.new_id is not None  # noqa: S101, PT018  # it was created
        listed = self.listing.get(change.new_id)
        if listed is None:
            self._look_again(
                change,
                now,
                Status.UNKNOWN,
                f"doo answered with {change.new_id} but does not list it; {change.old_id} was kept",
            )
        elif (where := difference(change.wanted, listed, self.facts)) is not None:
            reason = f"doo lists {change.new_id} with another {where} than was sent; it and {change.old_id} are both live"
            change.end(Status.FAILED, reason)
        else:
            # The old one is deleted even if this list lacks it: only a stable list proves that something is gone.
            change.stage = Stage.VERIFIED

    def _check_gone(self, change: Change, now: float) -> None:
        if change.old_id not in self.listing:
            change.stage = Stage.CONFIRMED
            change.error = None
            change.end(Status.APPLIED)
        elif change.deletes_sent < 2:
            self.renamed.pop(change.names or "", None)
            change.stage = Stage.VERIFIED if change.swaps else Stage.PLANNED
            self._batch += [change] if change.swaps else []
        else:
            live = f" beside its replacement {change.new_id}" if change.swaps else ""
            self._look_again(
                change, now, Status.FAILED, f"doo still lists {change.old_id}{live} after two deletes"
            )

    def _look_again(self, change: Change, now: float, otherwise: Status, reason: str) -> None:
        """Allow for a list that lags behind: look again ever more rarely, for as long as a create may settle."""
        since = now if change.looked_at is None else change.looked_at
        if self.settle is None or now - since >= self.settle:
            change.end(otherwise, reason)
        else:
            self._not_before = max(self._not_before, now + max(2.0, now - since))

    # What is known.

    def _shrunk(self, listing: Mapping[str, WebhookConfiguration]) -> UnstableListing | None:
        """Tell of a list that lacks far more than was deleted here: it may be cut short, so it proves nothing."""
        deleted = {change.old_id for change in self.changes if change.deletes_sent}
        seen = {change.new_id for change in self.changes if change.new_id is not None and change.deletes_sent}
        expected = ((self.known or set()) | seen) - deleted
        there = len(expected & listing.keys())
        if there >= len(expected) * 0.7:
            return None
        return UnstableListing(
            f"the list of team {self.team_id} shows {there} of {len(expected)} webhook configurations that should be "
            "there; nothing is concluded from it. See who else changes this team's webhooks"
        )

    @property
    def _accounted(self) -> set[str]:
        return (self.known or set()) | {change.new_id for change in self.changes if change.new_id is not None}

    def _open(self, stage: Stage | None = None) -> Iterator[Change]:
        for change in self.changes:
            if change.status is None and (stage is None or change.stage is stage):
                if change.stage is Stage.PLANNED and not change.ready and stage is not None:
                    continue
                yield change

    @property
    def _stable(self) -> int:
        return self.pages if self.pages == 1 else 2 * self.pages

    def _price(self, size: int) -> int:
        confirming = 0 if any(self._open(Stage.DELETED)) else self._stable
        # A batch may push the list onto one page more.
        return 2 * size + self.pages + 1 + confirming

    def _affordable(self, size: int, left: int | None) -> int:
        while size and left is not None and self._price(size) > left:
            size -= 1
        return size


def _unlisted(change: Change) -> Status:
    if change.stage is Stage.PLANNED:
        return Status.FAILED
    return Status.UNKNOWN if change.stage is Stage.MAYBE else Status.UNFINISHED
