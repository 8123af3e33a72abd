"""What a team's lists prove about its operations: created, verified, gone, or changed by somebody else. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from aiodoo.errors import DooError, PlanDrift
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.differences import (
    PrintOf,
    deleted_by_others,
    differs,
    end_as_changed,
    end_as_unknown,
    is_as_read,
    is_full_copy,
)
from aiodoo.operations.doubtful_creates import judged, made_unseen, note_strays
from aiodoo.operations.first_reading import ShownBefore
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.operations import Create
from aiodoo.operations.places import Places
from aiodoo.operations.preparation import Preparation
from aiodoo.operations.sightings import ListReading, Sighting, Sightings, by_page
from aiodoo.operations.tracked import Stage, Status, TrackedOperation
from aiodoo.settling import Lag

PORTION = 50
"""Operations of which a reading decides something before a caller may let other tasks run."""

TRIES = 3
"""Creates proven not to have happened, or failed readings of a list, after which an operation ends."""


@attrs.define(kw_only=True, eq=False)
class Evidence:
    """Compares a team's lists with what its operations expect, and moves the operations accordingly.

    Attributes:
        settle: seconds after which a create without an answer can no longer land; None never waits for it.
        known: the ids that the team had before anything was changed; None until its list is read.
        listing: the team's list as it was last read; None while deletes and creates are sent without a list.
        print_of: returns the fingerprint of a webhook configuration that a journal stores; None without a journal.
        is_as_planned: returns whether the first list is the one that the operations were planned for.
        places: on which page each webhook configuration is likely to stand.
        by_pages: whether the list that a journal keeps is used in place of a first reading.
        seen: where and when each webhook configuration was last seen.
        shown: what pages have shown before the list was read completely once.
        lag: what a list that lags cannot prove yet.
        last: the latest reading.
        doubted: the ids of webhooks that a list which is not conclusive has shown as changed.
        wants_stable: whether only a stable list can decide what has happened to a webhook.
        not_before: when to read the list again, at the earliest (monotonic seconds).
        deleted_at: when a delete was last answered (monotonic seconds).
    """

    team_id: str
    index: OperationIndex
    facts: Facts
    settle: float | None
    known: set[str] | None
    listing: dict[str, WebhookConfiguration] | None
    lag: Lag
    print_of: PrintOf | None = None
    is_as_planned: Callable[[Iterable[WebhookConfiguration]], bool] | None = None
    places: Places = attrs.field(factory=Places)
    by_pages: bool = False
    seen: Sightings = attrs.field(factory=Sightings)
    shown: ShownBefore = attrs.field(
        default=attrs.Factory(lambda self: ShownBefore(self.facts), takes_self=True), init=False
    )
    last: ListReading | None = None
    doubted: set[str] = attrs.field(factory=set, init=False)
    wants_stable: bool = False
    not_before: float = 0.0
    deleted_at: float = attrs.field(default=-math.inf, init=False)

    def forget(self) -> None:
        """Release the team's lists."""
        self.listing, self.seen = {}, Sightings()

    def make_ready(self) -> None:
        """Make each planned operation ready that has no unfinished one before it on the same webhook."""
        for _ in self._preparation.prepare():
            pass

    def make_next_ready(self, change: TrackedOperation) -> None:
        """Make the next operation on the same webhook ready, unless it has to wait."""
        self._preparation.prepare_after(change)

    @property
    def _preparation(self) -> Preparation:
        return Preparation(self.index, self.listing, self.facts, self.lag, self.print_of, self.shown.edited)

    @property
    def _conclusive(self) -> bool:
        """Whether a webhook that the latest reading lacks was gone when it was read."""
        return self.last is not None and self.last.conclusive

    @property
    def _whole(self) -> bool:
        """Whether the latest reading was of the whole list."""
        return self.last is not None and not self.last.pages

    def is_fresh(self, change: TrackedOperation, since: float) -> bool:
        """Return whether all that an operation depends on was seen since then, and since its last request."""
        if self.listing is None:
            return True
        return change.old_id not in self.doubted and not self.unseen(change, since)

    def unseen(self, change: TrackedOperation, since: float) -> list[str]:
        """Return the ids of what an operation depends on and no page has shown since then and its last request.

        It depends on the webhooks that have to be live before a request of it is sent: the old one, and what replaces it.
        """
        since, ids = max(since, change.changed_at), list[str]()
        if change.old_id is not None and self.seen.at(change.old_id) < since:
            ids.append(change.old_id)
        if change.is_replacement and change.stage is not Stage.PLANNED:
            last = self.index.last(change)
            if last is not None and last.new_id is not None and self.seen.at(last.new_id) < since:
                ids.append(last.new_id)
        return ids

    def is_accounted_for(self, webhook_id: str) -> bool:
        """Return whether a webhook existed before, or was made by an operation, so that no create in doubt made it."""
        return webhook_id in (self.known or ()) or webhook_id in self.index.made

    def created(self, change: TrackedOperation, webhook_id: str, now: float) -> None:
        """Record that a create was carried out."""
        change.move(Stage.CREATED, new_id=webhook_id)
        self.places.created(webhook_id)
        change.looked_at = change.changed_at = now
        change.error = None
        if not change.is_replacement:
            change.end(Status.APPLIED)

    def deleted(self, change: TrackedOperation, now: float) -> None:
        """Record that a delete was sent, which proves nothing yet."""
        change.move(Stage.DELETED)
        self.places.deleted(change.old_id)
        change.changed_at = self.deleted_at = now
        # At most two are sent, so that this ends.
        change.looked_at = now

    def record(
        self,
        listing: dict[str, WebhookConfiguration],
        seen: Mapping[str, Sighting],
        reading: ListReading,
        now: float,
    ) -> Iterator[None]:
        """Record a reading, and move each operation of which it decides something; yield after each portion.

        Args:
            listing: the webhooks that it showed, by id.
            seen: where and when it showed each of them.
            reading: how it was read.
            now: monotonic seconds.
        """
        if reading.conclusive:
            self.doubted.clear()
        self.last, self.wants_stable = reading, bool(self.doubted)
        if reading.pages:
            self._record_pages(listing, seen, reading)
        else:
            self._record_list(listing, seen, reading)
        if not self.by_pages:
            yield from self._preparation.prepare()
            self._wait_for_newer(now)
        self._find_doubtful_creates(reading.began if reading.stable else None)
        for number, change in enumerate(self.index.at(Stage.CREATED, Stage.VERIFIED), 1):
            if change.wanted is not None:
                self._verify(change, now)
            if number % PORTION == 0:
                yield
        for number, change in enumerate(self.index.at(Stage.DELETED) if reading.stable else (), 1):
            self._check_gone(change, now)
            if number % PORTION == 0:
                yield
        if not self.by_pages:
            yield from self._preparation.prepare()

    def _record_pages(
        self, listing: Mapping[str, WebhookConfiguration], seen: Mapping[str, Sighting], reading: ListReading
    ) -> None:
        self.listing = self.listing or {}
        self.listing.update(listing)
        for page, ids in by_page(seen).items():
            self.places.page_read(page, ids)
        self.seen.record(seen, reading.pages, self.places.page, [*self._moved()])
        if self.by_pages:
            self._preparation.prepare_named(listing)

    def _moved(self) -> Iterator[str]:
        """Yield the replacements that were seen before the latest delete, which may have moved them to another page."""
        for change in self.index.at(Stage.CREATED, Stage.VERIFIED):
            if change.new_id is not None and self.seen.at(change.new_id) < self.deleted_at:
                yield change.new_id

    def _record_list(
        self,
        listing: dict[str, WebhookConfiguration],
        seen: Mapping[str, Sighting],
        reading: ListReading,
    ) -> None:
        self.listing, self.by_pages = listing, False
        self.seen.record(seen)
        self.places.whole(by_page(seen), reading.page_size)
        self.shown.read_to_the_end()
        self.lag.list_began(reading.began, listing)
        if self.known is None:
            doubtful = [each for each in self.index.at(Stage.MAYBE) if isinstance(each.operation, Create)]
            for change in doubtful:
                self._preparation.restore(change)
            self.known = set(listing) - made_unseen(doubtful, listing.values(), self.facts, self.index.made)
            if self.is_as_planned is not None and not self.is_as_planned(listing.values()):
                self._skip_all()

    def _skip_all(self) -> None:
        reason = f"team {self.team_id} is not as it was when this was planned"
        for change in [*self.index.open.values()]:
            change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}; nothing was changed in it. Plan again"))

    def recheck_old(self, changes: Iterable[TrackedOperation], now: float) -> bool:
        """Check the old webhooks of operations that are ready; return whether one ended, as somebody changed its."""
        changes = list(changes)
        for change in changes:
            self._check_old(change, now)
        return any(change.status is not None for change in changes)

    def _check_old(self, change: TrackedOperation, now: float) -> None:
        if change.old_id is None or self.listing is None or change.copied is None:
            return
        if not self.seen.has(change.old_id):
            if self._whole and not self._conclusive:
                self.wants_stable = True
            elif self._conclusive:
                self._old_is_missing(change, now)
        elif not self._is_as_read(change, self.listing[change.old_id]):
            if self._conclusive:
                end_as_changed(change)
                self.make_next_ready(change)
            else:
                self.doubted.add(change.old_id)
                self.wants_stable = True

    def _is_as_read(self, change: TrackedOperation, old: WebhookConfiguration) -> bool | None:
        return is_as_read(change, old, self.facts, self.print_of, edited=self.shown.edited)

    def _old_is_missing(self, change: TrackedOperation, now: float) -> None:
        """Handle an operation that is ready and whose old webhook is missing in a conclusive list."""
        if (predates := self._predates(change)) is None or not self.index.has_turn(change):
            change.unready()
            self.make_ready()
        elif change.is_replacement:
            change.looked_at = now if change.looked_at is None else change.looked_at
            self._read_again(change, now, Status.FAILED, predates)

    def _find_doubtful_creates(self, began: float | None) -> None:
        """Take in what became of creates in doubt; a stable list that `began` then can disprove them."""
        if not self.index.count(Stage.MAYBE):
            return
        listed = (self.listing or {}).values()
        taken = {*(self.known or ()), *self.index.made}
        happened, disproved = judged(
            self.index.at(Stage.MAYBE), listed, self.facts, taken=taken, began=began, settle=self.settle
        )
        for change, webhook_id, since in happened:
            change.adopted = change.marker is None
            self.created(change, webhook_id, since)
        if disproved:
            note_strays(disproved, self.index.changes, listed, taken)
        for change in disproved:
            change.move(Stage.PLANNED)
            change.doubtful_since = None
            if change.is_replacement and change.copied is None:
                # Another process had prepared it; what it replaces may be gone, or edited, since.
                change.unready()
            if change.creates_sent >= TRIES:
                change.end(Status.FAILED, f"{TRIES} creates had no effect")

    def _shown(self, webhook_id: str | None, change: TrackedOperation) -> WebhookConfiguration | None:
        """Return a webhook as the list has shown it since an operation's last request; None if it has not.

        One that was shown before an interruption is not missing for that: `seen.has` tells them apart.
        """
        if webhook_id is None or self.seen.at(webhook_id) < change.changed_at:
            return None
        return (self.listing or {}).get(webhook_id)

    def _verify(self, change: TrackedOperation, now: float) -> None:
        """Compare a replacement and the old webhook with what was sent and read."""
        old = self._shown(change.old_id, change)
        if not self._has_replacement(change, now):
            return
        if old is None:
            self._replaced_is_missing(change, now)
        elif self._may_delete(change, old) and change.stage is Stage.CREATED:
            change.move(Stage.VERIFIED)

    def _has_replacement(self, change: TrackedOperation, now: float) -> bool:
        """Return whether the list shows the replacement of an operation's old webhook as it was sent."""
        last = self.index.last(change)
        if last is None:
            return True
        new = self._shown(last.new_id, change)
        if new is None:
            self._replacement_is_missing(change, last, now)
        elif last.wanted is not None and (reason := differs(change, last, new, self.facts)) is not None:
            change.end(Status.FAILED, reason)
        return new is not None and change.status is None

    def _replacement_is_missing(self, change: TrackedOperation, last: TrackedOperation, now: float) -> None:
        """Handle an operation whose replacement is missing in the list; the old webhook is kept meanwhile."""
        if not self._whole or self.seen.has(last.new_id):
            return
        if change.stage is Stage.CREATED:
            reason = f"doo answered with {change.new_id} but does not list it; {change.old_id} was kept"
            self._read_again(change, now, Status.UNKNOWN, reason)
        elif not self._conclusive:
            self.wants_stable = True
        else:
            reason = f"{last.new_id}, its replacement, is no longer listed; {change.old_id} was kept"
            self._read_again(change, now, Status.SKIPPED, reason, PlanDrift(reason))

    def _replaced_is_missing(self, change: TrackedOperation, now: float) -> None:
        """Handle an operation whose old webhook is missing in the list; only a conclusive list proves that it is gone."""
        if self.seen.has(change.old_id):
            return
        if self._conclusive:
            if (predates := self._predates(change)) is not None:
                self._read_again(change, now, Status.FAILED, predates)
            else:
                change.move(Stage.DELETED)
        elif self._whole:
            self.wants_stable = True

    def _may_delete(self, change: TrackedOperation, old: WebhookConfiguration) -> bool:
        """Return whether the old webhook is as it was read; end the operation if it is not, or if that is unknown."""
        if (as_read := self._is_as_read(change, old)) is None and not change.begun_elsewhere:
            # The delete names an id only, so later lists are compared with this one.
            change.copied = old
        elif as_read is None and not is_full_copy(change):
            end_as_unknown(change)
        elif as_read is False:
            end_as_changed(change)
        return change.status is None

    def _check_gone(self, change: TrackedOperation, now: float) -> None:
        old = self._shown(change.old_id, change)
        if old is not None:
            self._still_listed(change, old, now)
        elif self.seen.has(change.old_id):
            # It was listed before an interruption: only a later list tells whether it is gone.
            return
        elif (predates := self._predates(change)) is not None:
            self._read_again(change, now, Status.FAILED, predates)
        else:
            assert change.old_id is not None  # noqa: S101  # it was to be deleted
            (self.known or set()).discard(change.old_id)
            change.move(Stage.CONFIRMED)
            change.error = None
            change.end(Status.APPLIED, deleted_by_others(change))

    def _still_listed(self, change: TrackedOperation, old: WebhookConfiguration, now: float) -> None:
        if change.is_replacement and change.wanted is None:
            self._preparation.restore(change)
        if change.status is not None or not self._may_delete(change, old):
            return
        if change.is_replacement and not self._has_replacement(change, now):
            return
        if change.deletes_sent < 2:
            change.move(Stage.VERIFIED if change.is_replacement else Stage.PLANNED)
        else:
            live = f" beside its replacement {change.new_id}" if change.is_replacement else ""
            reason = f"doo still lists {change.old_id}{live} after two deletes; delete it in a new run"
            self._read_again(change, now, Status.FAILED, reason)

    def _predates(self, change: TrackedOperation) -> str | None:
        """Return why the list may be older than what an earlier update has made; None if it is not."""
        return self.index.predates(change, change.old_id, self.listing or ())

    def _wait_for_newer(self, now: float) -> None:
        """Read again for undecided operations if the list may be older than what an earlier update has made."""
        for change in self._undecided:
            if (predates := self._predates(change)) is not None:
                change.looked_at = now if change.looked_at is None else change.looked_at
                otherwise = Status.FAILED if change.stage is Stage.PLANNED else Status.UNKNOWN
                self._read_again(change, now, otherwise, predates)

    @property
    def _undecided(self) -> list[TrackedOperation]:
        """The operations that may go next but could not be made ready, and those started without a known content."""
        waiting = [change for change in self.index.waiting() if self.index.has_turn(change)]
        begun = self.index.at(Stage.MAYBE, Stage.CREATED)
        return waiting + [change for change in begun if change.wanted is None]

    def _read_again(
        self,
        change: TrackedOperation,
        now: float,
        otherwise: Status,
        reason: str,
        error: DooError | None = None,
    ) -> None:
        """Read again later, as the list may lag, with growing intervals; end the operation after `settle`."""
        since = now if change.looked_at is None else change.looked_at
        if self.settle is None or now - since >= self.settle:
            change.end(otherwise, reason, error)
        else:
            self.not_before = max(self.not_before, now + max(2.0, now - since))
