"""The steps of one team's changes.

The order is: look at the team (a stable list, the baseline); send the plain creates; then updates in
batches, each "create up to ten, one list that compares them, delete the ten old ones"; then the plain
deletes; and one stable list at the end that confirms every delete. A create whose answer was lost is
settled first: wait until it can no longer land, look, and adopt it or prove that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice

from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import DooError, NotFound, OutcomeUnknown, UnstableListing
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations import cost
from aiodoo.operations.actions import Action, Park, Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.differences import PrintOf
from aiodoo.operations.evidence import TRIES, Evidence
from aiodoo.operations.freshness import LOOKS, Freshness
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.sightings import ListReading, Sighting
from aiodoo.operations.tracked import Phase, Stage, Status, TrackedOperation
from aiodoo.settling import SETTLE, Lag, settled_after

_BEGUN = (Stage.CREATE_INTENT, Stage.MAYBE, Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT)
_UNFINISHED = (Stage.CREATED, Stage.VERIFIED)
_IN_FLIGHT = (Stage.CREATE_INTENT, Stage.DELETE_INTENT)


class TeamSteps:
    """One team's changes and what to do next for them.

    Ask `next()` what to do and tell what came of it: `listed` or `not_listed` after a `Scan`, `applied`,
    `refused`, `in_doubt` or `not_sent` after a `SendCreate` or `SendDelete`. Several creates, or several
    deletes, may be on their way at once; a list is only read while nothing is.

    Args:
        team_id: the team.
        changes: all of it, in input order.
        facts: what doo does not document.
        settle: seconds after which a create without an answer can no longer land; None never waits for it.
        look_first: whether the team's list is read before anything else; only deletes can do without.
        known: the ids that the team had before anything was changed; None until they are found out.
        is_as_planned: tells whether the list, when it is first read, is the one that the changes were made for.
        rate: seconds that one request takes at the key's limit a second; 0 without one.
        print_of: makes the fingerprint of a listed webhook configuration, for a run that is written down.
        current_from: given the ids that a list shows, returns from when on a list need not be older than what this
            process has changed in the team (monotonic seconds).
    """

    def __init__(
        self,
        *,
        team_id: str,
        changes: tuple[TrackedOperation, ...],
        facts: Facts,
        settle: float | None = SETTLE,
        look_first: bool = True,
        known: set[str] | None = None,
        is_as_planned: Callable[[Iterable[WebhookConfiguration]], bool] | None = None,
        rate: float = 0.0,
        print_of: PrintOf | None = None,
        current_from: Callable[[Collection[str]], float] | None = None,
    ) -> None:
        self.team_id = team_id
        self.changes = changes
        self.settle = settle
        self.look_first = look_first
        self.looked = False
        self.page_size: int | None = None
        self._index = OperationIndex(changes)
        self._evidence = Evidence(
            team_id=team_id,
            index=self._index,
            facts=facts,
            settle=settle,
            known=known,
            listing={} if look_first else None,
            lag=Lag(settle=settle, current_from=current_from),
            print_of=print_of,
            is_as_planned=is_as_planned,
        )
        self._looking = Freshness(evidence=self._evidence, index=self._index, rate=rate)
        self._scanning: Scan | None = None
        self._scans_failed = 0
        self._chosen: list[TrackedOperation] = []
        if not look_first:
            self._evidence.make_ready()

    @property
    def done(self) -> bool:
        """Whether every change has ended."""
        return not self._index.open

    @property
    def pages(self) -> int:
        """How many pages the team's list had when it was last read."""
        return self._looking.pages

    @property
    def known(self) -> set[str] | None:
        """The ids that the team had before anything was changed; None until they are found out."""
        return self._evidence.known

    @property
    def listing(self) -> Mapping[str, WebhookConfiguration]:
        """The team's list as it was last read, by id."""
        return self._evidence.listing or {}

    @property
    def committed(self) -> int:
        """Requests still needed to finish what was begun: the batch, and the list that confirms the deletes."""
        return cost.committed(self._batch, self.pages, confirming=self._confirming)

    @property
    def reading(self) -> int:
        """Requests that a stable reading of the team's list costs."""
        return cost.stable(self.pages)

    @property
    def remaining(self) -> int:
        """Requests still to be sent for all of it, if nothing fails; before the first look a guess."""
        return cost.remaining(self._index, self.pages, looked=self.looked or not self.look_first)

    @property
    def unconfirmed(self) -> int:
        """Webhook configurations that were replaced, and whose old ones no list has yet shown to be gone."""
        return self._index.count(Stage.DELETED, phases=(Phase.SWAP,))

    @property
    def in_doubt_now(self) -> bool:
        """Whether it is not known of some create whether it happened."""
        return self._index.count(Stage.MAYBE) > 0

    @property
    def pairs(self) -> list[TrackedOperation]:
        """Updates and replacements of which the old and the new webhook configuration may be live together."""
        return self._index.at(Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT, phases=(Phase.SWAP,))

    @property
    def in_flight(self) -> bool:
        """Whether an answer is still to come."""
        return self._scanning is not None or self._index.count(*_IN_FLIGHT) > 0

    def to_finish(self, *, taken_back: int = 0, waiting: int = 0) -> int:
        """Return how many requests it takes to leave nothing live twice.

        Args:
            taken_back: creates of updates that were asked for and do not leave any more.
            waiting: deletes of updates that were asked for and have not left.
        """
        unseen = self._index.count(Stage.CREATE_INTENT, Stage.CREATED, phases=(Phase.SWAP,)) - taken_back
        seen = self._index.count(Stage.VERIFIED, phases=(Phase.SWAP,))
        return unseen + seen + waiting + (self.pages if unseen > 0 else 0)

    def take_moved(self) -> list[TrackedOperation]:
        """Return the changes that have moved since this was last asked, or were begun earlier."""
        return self._index.take_moved()

    def take_ended(self) -> list[TrackedOperation]:
        """Return the changes that have ended since this was last asked."""
        return self._index.take_ended()

    def finish(self, now: float) -> Action | None:
        """Return what to do next so that nothing stays live twice, and nothing else; None as `next` does."""
        if self._scanning is not None or not self._index.count(*_UNFINISHED, phases=(Phase.SWAP,)):
            return None
        if not self.looked:
            return self._look(now, Scan(stable=True))
        self._chosen = []
        return self._swap_batch(now)

    def next(self, now: float, left: int | None = None, most: int | None = None) -> Action | None:
        """Return what to do next, or None while that depends on answers that are still to come.

        Args:
            now: monotonic seconds.
            left: requests that a new batch may count on now; None is without limit.
            most: requests that a whole day can give; None is without limit.
        """
        if self._scanning is not None or self.done:
            return None
        if self._evidence.lag.started is None:
            self._evidence.lag.started = now
        if self.look_first and not self.looked:
            return self._look(now, Scan(stable=True))
        steps = ((Phase.CREATE, self._create), (Phase.SWAP, self._swap), (Phase.DELETE, self._delete))
        for phase, step in steps:
            if action := step(now, left, most):
                return action
            if self._index.count(*_IN_FLIGHT, phases=(phase,)):
                return None
        return self._confirm(now)

    # What to do next, phase by phase.

    def _create(self, now: float, left: int | None, most: int | None) -> Action | None:  # noqa: ARG002  # every phase is asked alike
        change = next(iter(self._index.ready(Phase.CREATE)), None)
        return None if change is None else self._send_create(change)

    def _swap(self, now: float, left: int | None, most: int | None) -> Action | None:
        if not self._batch:
            waiting = list(islice(self._index.ready(Phase.SWAP), cost.BATCH))
            look = self._looking.price(waiting, now)
            # A smaller batch costs more an update, so it waits for the whole, or for as much as a day can give.
            room = None if most is None else most - look
            size = cost.affordable(len(waiting), room, self.pages, confirming=self._confirming) or 1
            price = look + cost.new_batch(size, self.pages, confirming=self._confirming)
            if waiting and left is not None and price > left:
                return Park(price)
            self._chosen = waiting[:size]
            self._looking.expect(self._chosen)
        return self._swap_batch(now)

    def _swap_batch(self, now: float) -> Action | None:
        batch, stale = self._batch, list[TrackedOperation]()
        for change in batch:
            if change.stage not in {Stage.PLANNED, Stage.VERIFIED}:
                continue
            if not self._looking.may_send(change, now):
                stale.append(change)
            else:
                return (
                    self._send_create(change) if change.stage is Stage.PLANNED else self._send_delete(change)
                )
        if self._index.count(*_IN_FLIGHT):
            return None
        created = [change for change in batch if change.stage is Stage.CREATED]
        if created or stale:
            self._looking.expect(batch)
            return self._look(now, self._looking.again([*created, *stale], first=bool(created)))
        return self._settle(now) if batch else None

    def _delete(self, now: float, left: int | None, most: int | None) -> Action | None:  # noqa: ARG002  # as above
        if not self._index.ready(Phase.DELETE):
            return None
        # A create in doubt may be what takes the place of what is deleted here.
        if action := self._settle(now):
            return action
        if (change := self._looking.next_delete(now)) is not None:
            return self._send_delete(change)
        if self._index.count(*_IN_FLIGHT):
            return None
        self._looking.expect(())
        return self._look(now, self._looking.again_for_deletes())

    def _confirm(self, now: float) -> Action | None:
        if action := self._settle(now):
            return action
        if not self._confirming and not self._index.waiting():
            return None
        return self._look(now, Scan(stable=True), not_before=self._evidence.lag.awaited)

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
        return self._look(now, Scan(stable=True))

    def _look(self, now: float, scan: Scan, *, not_before: float = 0.0) -> Action:
        if (until := max(self._evidence.not_before, not_before)) > now:
            return Wait(until, "until doo's list shows the latest changes")
        self._scanning = scan
        return scan

    def _send_create(self, change: TrackedOperation) -> Action:
        assert change.wanted is not None  # noqa: S101  # it is ready
        change.move(Stage.CREATE_INTENT)
        change.creates_sent += 1
        return SendCreate(change, change.wanted)

    def _send_delete(self, change: TrackedOperation) -> Action:
        assert change.old_id is not None  # noqa: S101  # it is ready
        change.move(Stage.DELETE_INTENT)
        change.deletes_sent += 1
        return SendDelete(change, change.old_id)

    # What came of it.

    def shown(self, webhooks: Iterable[WebhookConfiguration]) -> None:
        """Take in what a page of the last `Scan` shows, whatever becomes of the others."""
        self._evidence.shown.take_in(webhooks, self._index.named)

    def listed(
        self,
        webhooks: Iterable[WebhookConfiguration],
        *,
        pages: int,
        page_size: int | None = None,
        began: float,
        now: float,
        seen: Mapping[str, Sighting] | None = None,
    ) -> None:
        """Take in what the last `Scan` asked for.

        Args:
            webhooks: what was read.
            pages: how many pages the whole list has.
            page_size: webhook configurations a page, as the list says.
            began: when its first request was made.
            now: monotonic seconds.
            seen: where and when each of them was seen; if not given, when it began, and on the only page if it is one.
        """
        scan = self._scanning
        assert scan is not None  # noqa: S101  # nobody lists unasked
        listing = {webhook.id: webhook for webhook in webhooks}
        if not scan.pages and (shrunk := self._evidence.shrunk(listing)) is not None:
            self.not_listed(shrunk, now)
            return
        self._scanning, self._scans_failed = None, 0
        if seen is None:
            seen = dict.fromkeys(listing, Sighting(1 if pages == 1 else 0, began))
        if not scan.pages:
            self._looking.pages, self.page_size, self.looked = pages, page_size, True
        conclusive = not scan.pages and (scan.stable or pages == 1)
        reading = ListReading(pages=scan.pages, stable=scan.stable, conclusive=conclusive, began=began)
        self._evidence.take_in(listing, seen, reading, now)
        while self._evidence.look_anew(self._up_next(reading), now):
            pass
        self._looking.read(scan.pages)
        self._give_up_in_vain(now)

    def _give_up_in_vain(self, now: float) -> None:
        """Give up what no reading is recent enough for."""
        if self._looking.in_vain >= LOOKS:
            for change in self._looking.give_up([*self._batch, *self._looking.deletes_due()], now):
                self._evidence.make_next_ready(change)
            self._looking.in_vain = 0

    def not_listed(self, error: DooError | None, now: float) -> None:
        """Take in that the list could not be read; without an error, that it was not asked for at all."""
        self._scanning = None
        if error is None:
            return
        self._scans_failed += 1
        if for_team(error) is ForTeam.LATER and self.settle is not None and self._scans_failed < TRIES:
            self._evidence.not_before = now + 30.0 * self._scans_failed
            return
        reason = (
            str(error)
            if isinstance(error, UnstableListing)
            else f"the list of team {self.team_id} could not be read"
        )
        for change in [*self._index.open.values()]:
            change.end(_unlisted(change, error), reason, error)

    def applied(self, change: TrackedOperation, webhook_id: str | None, now: float) -> None:
        """Take in that doo accepted a create (with its new id) or a delete (which proves nothing yet)."""
        self._looking.in_vain = 0
        if change.stage is Stage.DELETE_INTENT:
            self._evidence.deleted(change, now)
        elif webhook_id is None or self._evidence.is_accounted(webhook_id):
            self.in_doubt(
                change, OutcomeUnknown("doo answered with the id of another webhook", operation="create"), now
            )
        else:
            self._evidence.created(change, webhook_id, now)
        self._evidence.make_next_ready(change)

    def refused(self, change: TrackedOperation, error: DooError, now: float) -> None:
        """Take in that a request was proven to have changed nothing."""
        self._looking.in_vain = 0
        if change.stage is Stage.CREATE_INTENT:
            change.move(Stage.PLANNED)
            change.end(Status.FAILED, "doo did not create it", error)
        elif isinstance(error, NotFound) or (change.deletes_sent > 1 and self.settle is not None):
            # An earlier delete may have been carried out, whatever an old list showed after it: later ones tell.
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
        """Take in that a request may or may not have changed something."""
        self._looking.in_vain = 0
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
        """Take in that the request never left, so that it may be asked for again."""
        if change.stage is Stage.CREATE_INTENT:
            change.move(Stage.PLANNED)
            change.creates_sent -= 1
        else:
            change.move(Stage.VERIFIED if change.is_replacement else Stage.PLANNED)
            change.deletes_sent -= 1

    def interrupted(self, now: float) -> None:
        """Take in that time has passed without control: an outage, a long pause, another process.

        Nothing that was read before `now` (monotonic seconds) is ground for a delete any more.
        """
        self._evidence.seen.fresh_from = max(self._evidence.seen.fresh_from, now)

    def may_leave(self, change: TrackedOperation, now: float) -> bool:
        """Tell, right before a request leaves, whether what it counts on is still recent enough."""
        return self._looking.may_send(change, now)

    def too_old(self, change: TrackedOperation, now: float) -> None:
        """Take in that a request was held back, as what it counts on has become too old while it waited."""
        self.not_sent(change)
        if self._looking.in_vain >= LOOKS:
            self._looking.give_up([change], now)
            self._evidence.make_next_ready(change)

    def given_up(self, change: TrackedOperation, reason: str, error: DooError) -> None:
        """Take in that the request never left, and is not to be asked for again."""
        self.not_sent(change)
        change.end(Status.FAILED, reason, error)
        self._evidence.make_next_ready(change)

    def forget(self) -> None:
        """Keep nothing more of the team's lists: every change has ended, so nothing more is asked of them."""
        assert self.done  # noqa: S101  # they would be missed
        self._evidence.forget()
        for change in self.changes:
            change.wanted = change.copied = None

    # What is known.

    def _up_next(self, reading: ListReading) -> list[TrackedOperation]:
        """What may be sent before another list is read."""
        swaps = islice(self._index.ready(Phase.SWAP), cost.BATCH)
        batch = [change for change in self._batch if change.stage is Stage.PLANNED]
        deletes = self._looking.deletes_due() if reading.pages else self._index.ready(Phase.DELETE)
        return [*batch, *swaps, *deletes]

    @property
    def _batch(self) -> list[TrackedOperation]:
        """The updates whose old and new webhook configurations may be live together."""
        chosen = [
            change
            for change in self._chosen
            if change.stage is Stage.PLANNED and change.ready and change.status is None
        ]
        begun = self._index.at(*_BEGUN, phases=(Phase.SWAP,))
        return sorted(chosen + begun, key=lambda change: change.number)

    @property
    def _confirming(self) -> bool:
        """Whether deletes wait for the list that confirms them."""
        return self._index.count(Stage.DELETED) > 0


def _unlisted(change: TrackedOperation, error: DooError) -> Status:
    """Return how a change ends whose team's list cannot be read: only what doo refuses for good has failed."""
    for_good = for_team(error) is ForTeam.GIVEN_UP
    if change.stage is Stage.PLANNED and not change.deletes_sent:
        return Status.FAILED if for_good else Status.NOT_STARTED
    return Status.UNKNOWN if for_good and change.stage is Stage.MAYBE else Status.UNFINISHED
