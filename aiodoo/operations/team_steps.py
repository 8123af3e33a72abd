"""The steps of one team's operations, from the first list to the one that confirms the deletes. Pure.

The order is: a stable list (the baseline); the creates; the updates in batches, each "create, see the old and the new
ones on their pages, delete the old ones"; the deletes; and one stable list that confirms every delete. A create in doubt
is settled first: wait until it can no longer land, read a stable list, and adopt what it made or prove that it made
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NotRequired, TypedDict, Unpack

from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import DooError, NotFound, OutcomeUnknown, UnstableListing
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.actions import Action, Park, Scan, Wait, send_create, send_delete
from aiodoo.operations.differences import end_as_unlisted
from aiodoo.operations.evidence import TRIES
from aiodoo.operations.freshness import MAX_READINGS
from aiodoo.operations.shrunken import shrunk
from aiodoo.operations.sightings import ListReading, Sighting
from aiodoo.operations.team_state import TeamState
from aiodoo.operations.tracked import Phase, Stage, Status, TrackedOperation
from aiodoo.settling import settled_after

_UNFINISHED = (Stage.CREATED, Stage.VERIFIED)


class Reading(TypedDict):
    """The arguments of `TeamSteps.listed`."""

    pages: int
    page_size: NotRequired[int | None]
    began: float
    now: float
    seen: NotRequired[Mapping[str, Sighting] | None]


class TeamSteps(TeamState):
    """Decides what one team's operations do next, and records the results.

    `next()` returns an action. Its result is reported by `listed` or `not_listed` after a `Scan`, and by `applied`,
    `refused`, `in_doubt` or `not_sent` after a `SendCreate` or `SendDelete`. Several creates, or several deletes, may
    be in flight at once; a list is read only while none is.

        while not steps.done:
            match steps.next(now):
                case Scan(stable=stable): ...  # read the list, then steps.listed(...)
                case SendCreate(change, config): ...  # create it, then steps.applied(change, new_id, now)

    The arguments are those of `TeamState`.
    """

    def finish(self, now: float) -> Action | None:
        """Return the next action that keeps a webhook from staying live twice; None if there is none, or not yet."""
        if self._pending_scan is not None or not self._index.count(*_UNFINISHED, phases=(Phase.SWAP,)):
            return None
        if not self.begun:
            return self._scan(now, Scan(stable=True))
        self._batch.start_no_more()
        return self._swap_batch(now)

    def next(self, now: float, left: int | None = None, most: int | None = None) -> Action | None:
        """Return the next action, or None while it depends on results that have not been reported.

        Args:
            now: monotonic seconds.
            left: requests that a new batch may use now; None is without limit.
            most: requests that a whole day allows; None is without limit.
        """
        if self._pending_scan is not None or self.done:
            return None
        before = self._freshness.looks
        action = self._next(now, left, most)
        if left is not None and self.pages > 1 and isinstance(action, Scan) and not action.pages:
            needed = self.reading if action.stable else self.pages
            if needed > max(left, self.committed):
                # A list that is cut off proves nothing, and would be read again each day.
                self._pending_scan, self._freshness.looks = None, before
                return Park(needed)
        return action

    def _next(self, now: float, left: int | None, most: int | None) -> Action | None:
        if self._evidence.lag.started is None:
            self._evidence.lag.started = now
        if self.look_first and not self.begun:
            return self._scan(now, Scan(stable=True))
        steps = ((Phase.CREATE, self._create), (Phase.SWAP, self._swap), (Phase.DELETE, self._delete))
        for phase, step in steps:
            if action := step(now, left, most):
                return action
            if self._index.is_in_flight(phase):
                return None
        return self._confirm(now, left)

    # The next action of each phase.

    def _create(self, now: float, left: int | None, most: int | None) -> Action | None:  # noqa: ARG002  # the phases share one signature
        change = next(iter(self._index.ready(Phase.CREATE)), None)
        return None if change is None else send_create(change)

    def _swap(self, now: float, left: int | None, most: int | None) -> Action | None:
        return self._batch.start(now, left, most) or self._swap_batch(now)

    def _swap_batch(self, now: float) -> Action | None:
        match self._batch.next(now):
            case Scan() as scan:
                return self._scan(now, scan)
            case None if self._batch.members and not self._index.in_flight:
                return self._settle(now)
            case action:
                return action

    def _delete(self, now: float, left: int | None, most: int | None) -> Action | None:  # noqa: ARG002  # as above
        if not self._freshness.to_do(Phase.DELETE):
            return None
        # A create in doubt may replace what is deleted here.
        if action := self._settle(now):
            return action
        if (change := self._freshness.next_delete(now)) is not None:
            return send_delete(change)
        if self._index.in_flight:
            return None
        self._freshness.set_window(())
        return self._scan(now, self._freshness.look(self._freshness.deletes_due(), now, now))

    def _confirm(self, now: float, left: int | None) -> Action | None:
        if action := self._settle(now):
            return action
        if not self._index.is_confirming and not self._index.waiting():
            return None
        if self._index.is_confirming and not self._batch.confirms:
            if left is not None and self.reading > left:
                return Park(self.reading)
            self._batch.confirms = True
        return self._scan(now, Scan(stable=True), not_before=self._evidence.lag.awaited)

    def _settle(self, now: float) -> Action | None:
        since = [
            change.doubtful_since
            for change in self._index.at(Stage.MAYBE)
            if change.doubtful_since is not None
        ]
        if not since or self.settle is None:
            return None
        if (settled := max(since) + settled_after(self.settle)) > now:
            return Wait(settled, f"until {len(since)} create(s) without an answer can no longer land")
        return self._scan(now, Scan(stable=True))

    def _scan(self, now: float, scan: Scan, *, not_before: float = 0.0) -> Action:
        if (until := max(self._evidence.not_before, not_before)) > now:
            return Wait(until, "until doo's list shows the latest changes")
        self._pending_scan = scan
        return scan

    # The results of actions.

    def shown(self, webhooks: Iterable[WebhookConfiguration], pages: int | None = None) -> None:
        """Record what one page of the pending `Scan` shows, and how many pages it says there are."""
        self._evidence.shown.record(webhooks, self._index.named)
        self._freshness.announced = pages or 1

    def listed(self, webhooks: Iterable[WebhookConfiguration], **reading: Unpack[Reading]) -> None:
        """Record the result of the pending `Scan`; see `listed_in_portions`."""
        for _ in self.listed_in_portions(webhooks, **reading):
            pass

    def listed_in_portions(
        self,
        webhooks: Iterable[WebhookConfiguration],
        *,
        pages: int,
        page_size: int | None = None,
        began: float,
        now: float,
        seen: Mapping[str, Sighting] | None = None,
    ) -> Iterator[None]:
        """Record the result of the pending `Scan`, and yield after each portion, which takes milliseconds.

        Until it has ended there is no other action.

        Args:
            webhooks: what was read.
            pages: how many pages the whole list has.
            page_size: webhook configurations a page, as the list says.
            began: when its first request was made (monotonic seconds).
            now: monotonic seconds.
            seen: where and when each webhook was seen, by id; by default all at `began`, on page 1 if there is only one.
        """
        scan = self._pending_scan
        assert scan is not None  # noqa: S101  # a list follows a scan
        listing = {webhook.id: webhook for webhook in webhooks}
        if not scan.pages and (error := shrunk(self._evidence, listing)) is not None:
            self.not_listed(error, now)
            return
        # That single pages can be read does not mean that the whole list can.
        self._failed_scans[bool(scan.pages)] = 0
        if seen is None:
            seen = dict.fromkeys(listing, Sighting(1 if pages == 1 else 0, began))
        if not scan.pages:
            self._freshness.listed(pages)
            self.page_size, self.looked = page_size, True
        reading = ListReading(
            pages=scan.pages,
            stable=scan.stable,
            conclusive=not scan.pages and (scan.stable or pages == 1),
            began=began,
            page_size=page_size or 0,
        )
        yield from self._evidence.record(listing, seen, reading, now)
        self._pending_scan = None
        while self._evidence.recheck_old(self._up_next(reading), now):
            pass
        self._give_up_stale(now)

    def _give_up_stale(self, now: float) -> None:
        """End the operations for which no reading was recent enough."""
        if self._freshness.wasted >= MAX_READINGS:
            stale = [*self._batch.members, *self._freshness.deletes_due()]
            for change in self._freshness.give_up(stale, now):
                self._evidence.make_next_ready(change)
            self._freshness.wasted = 0

    def not_listed(self, error: DooError | None, now: float) -> None:
        """Record that the list could not be read; without an error, that no request for it was sent."""
        scan, self._pending_scan = self._pending_scan, None
        if error is None or scan is None:
            return
        self._failed_scans[bool(scan.pages)] += 1
        failed = self._failed_scans[bool(scan.pages)]
        too_long = isinstance(error, UnstableListing) and error.too_long
        later = for_team(error) is ForTeam.LATER and not too_long
        if later and self.settle is not None and failed < TRIES:
            self._evidence.not_before = now + 30.0 * failed
            return
        reason = (
            str(error)
            if isinstance(error, UnstableListing)
            else f"the list of team {self.team_id} could not be read"
        )
        for change in [*self._index.open.values()]:
            end_as_unlisted(change, reason, error)

    def applied(self, change: TrackedOperation, webhook_id: str | None, now: float) -> None:
        """Record that doo accepted a create (with its new id) or a delete (which proves nothing yet)."""
        self._freshness.answered()
        if change.stage is Stage.DELETE_INTENT:
            self._evidence.deleted(change, now)
        elif webhook_id is None or self._evidence.is_accounted_for(webhook_id):
            self.in_doubt(
                change, OutcomeUnknown("doo answered with the id of another webhook", operation="create"), now
            )
        else:
            self._evidence.created(change, webhook_id, now)
        self._evidence.make_next_ready(change)

    def refused(self, change: TrackedOperation, error: DooError, now: float) -> None:
        """Record that a request has provably changed nothing."""
        self._freshness.answered()
        if change.stage is Stage.CREATE_INTENT:
            change.move(Stage.PLANNED)
            change.end(Status.FAILED, "doo did not create it", error)
        elif isinstance(error, NotFound) or (change.deletes_sent > 1 and self.settle is not None):
            # An earlier delete may have been carried out, whatever an old list showed after it; a later list decides.
            change.error = error
            self._evidence.deleted(change, now)
        else:
            live = (
                f"; {change.old_id} and its replacement {change.new_id} are both live"
                if change.is_replacement
                else ""
            )
            change.move(Stage.VERIFIED if change.is_replacement else Stage.PLANNED)
            change.end(Status.FAILED, f"doo did not delete {change.old_id}{live}", error)
        self._evidence.make_next_ready(change)

    def in_doubt(self, change: TrackedOperation, error: DooError, now: float) -> None:
        """Record that a request may or may not have changed something."""
        self._freshness.answered()
        change.error = error
        if change.stage is Stage.DELETE_INTENT:
            self._evidence.deleted(change, now)
        else:
            change.move(Stage.MAYBE)
            change.doubtful_since = now
            if self.settle is None:
                kept = f"; {change.old_id} was kept" if change.is_replacement else ""
                change.end(Status.UNKNOWN, f"it may or may not have been created{kept}")
        self._evidence.make_next_ready(change)

    def not_sent(self, change: TrackedOperation) -> None:
        """Record that a request was not sent, so that `next` may return it again."""
        if change.stage is Stage.CREATE_INTENT:
            change.move(Stage.PLANNED)
            change.creates_sent -= 1
        else:
            change.move(Stage.VERIFIED if change.is_replacement else Stage.PLANNED)
            change.deletes_sent -= 1

    def interrupted(self, now: float) -> None:
        """Record an interruption (an outage, a pause, another process): nothing read before `now` permits a delete."""
        self._freshness.look_anew()
        self._evidence.seen.fresh_from = max(self._evidence.seen.fresh_from, now)

    def may_leave(self, change: TrackedOperation, now: float) -> bool:
        """Return, right before a request is sent, whether the list that it relies on is still recent enough."""
        return self._freshness.may_send(change, now)

    def too_old(self, change: TrackedOperation, now: float) -> None:
        """Record that a request was not sent because the list that it relies on became too old while it waited."""
        self.not_sent(change)
        if self._freshness.wasted >= MAX_READINGS:
            self._freshness.give_up([change], now)
            self._evidence.make_next_ready(change)

    def given_up(self, change: TrackedOperation, reason: str, error: DooError) -> None:
        """Record that a request was not sent and will not be: its operation ends."""
        self.not_sent(change)
        change.end(Status.FAILED, reason, error)
        self._evidence.make_next_ready(change)

    def cannot_end(self, reason: str) -> None:
        """End all operations, as no day's quota suffices for what they need next."""
        for change in [*self._index.open.values()]:
            end_as_unlisted(change, reason, UnstableListing(reason))

    def forget(self) -> None:
        """Release the team's lists after every operation has ended."""
        assert self.done  # noqa: S101  # until then they are needed
        self._evidence.forget()
        for change in self.changes:
            change.wanted = change.copied = None

    def _up_next(self, reading: ListReading) -> list[TrackedOperation]:
        """Return the operations of which a request may be sent before another list is read."""
        swaps = islice(self._index.ready(Phase.SWAP), self._batch.most)
        batch = [change for change in self._batch.members if change.stage is Stage.PLANNED]
        deletes = self._freshness.deletes_due() if reading.pages else self._index.ready(Phase.DELETE)
        return [*batch, *swaps, *deletes]
