"""What is known of one team's operations, and what they still cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations import cost
from aiodoo.operations.actions import Scan
from aiodoo.operations.batch import MAX_PAIRS, Batch
from aiodoo.operations.differences import PrintOf
from aiodoo.operations.evidence import Evidence
from aiodoo.operations.freshness import Freshness
from aiodoo.operations.index import OperationIndex
from aiodoo.operations.places import Kept, Places
from aiodoo.operations.tracked import GONE, Phase, Stage, TrackedOperation
from aiodoo.settling import SETTLE, Lag


class TeamState:
    """The operations of one team, the evidence for them, and what is still to be sent.

    Args:
        team_id: the team.
        changes: all of its operations, in input order.
        facts: what doo does not document.
        settle: seconds after which a create without an answer can no longer land; None never waits for it.
        look_first: whether the team's list is read before anything is sent; deletes and creates can do without.
        known: the ids that the team had before anything was changed; None until its list is read.
        kept: its list at that time, if a journal keeps it.
        max_pairs: how many updates may have both their webhook configurations live at once.
        is_as_planned: returns whether the first list is the one that the operations were planned for.
        rate: seconds that one request takes at the key's rate limit; 0 without one.
        print_of: returns the fingerprint of a listed webhook configuration, for a run with a journal.
        current_from: given the ids of a list, returns the time from which a list shows all that this process has changed
            in the team (monotonic seconds).
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
        kept: Kept | None = None,
        max_pairs: int = MAX_PAIRS,
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
            places=Places(new=facts.new_webhooks),
        )
        if kept is not None and look_first and len(kept.ids) > 2 * kept.page_size > 0 and self._index.goes_on:
            self._go_on(kept)
        self._freshness = Freshness(evidence=self._evidence, index=self._index, rate=rate)
        self._pending_scan: Scan | None = None
        self._failed_scans = Counter[bool]()
        self._batch = Batch(self._index, self._freshness, max_pairs)
        if not look_first:
            self._evidence.make_ready()

    def _go_on(self, kept: Kept) -> None:
        """Go on with the list that a journal keeps, in which others may have changed something since."""
        evidence, places = self._evidence, self._evidence.places
        evidence.by_pages = True
        places.whole({1: kept.ids}, kept.page_size)
        places.created_earlier(self._index.made)
        for change in self.changes:
            if change.stage in GONE:
                places.deleted(change.old_id)
            elif change.status is None:
                change.old_id = change.target_id

    @property
    def done(self) -> bool:
        """Whether every operation has ended."""
        return not self._index.open

    @property
    def pages(self) -> int:
        """Pages of the team's list when it was last read."""
        return self._freshness.pages

    @property
    def known(self) -> set[str] | None:
        """The ids that the team had before anything was changed; None until its list is read."""
        return self._evidence.known

    @property
    def to_keep(self) -> Kept:
        """The list for a journal, as soon as it was read."""
        known = self.known or set()
        listed = dict.fromkeys(webhook_id for webhook_id in self.listing if webhook_id in known)
        return Kept([*(listed | dict.fromkeys(sorted(known)))], self._freshness.places.size)

    @property
    def listing(self) -> Mapping[str, WebhookConfiguration]:
        """The team's list as it was last read, by id."""
        return self._evidence.listing or {}

    @property
    def committed(self) -> int:
        """Requests still needed to finish the batch that was started, and to confirm the deletes."""
        return self._batch.committed

    @property
    def begun(self) -> bool:
        """Whether the team's list was read, or one is gone on with that a journal keeps."""
        return self.looked or self._evidence.by_pages

    @property
    def reading(self) -> int:
        """Requests that a stable list of the team costs."""
        return cost.stable(self.pages)

    @property
    def reading_again(self) -> int:
        """Requests that it takes to go on in another process: a stable list, or two pages if a journal keeps a list."""
        kept = self.begun and self._evidence.print_of is not None and self._index.goes_on
        return 2 if kept else self.reading

    @property
    def remaining(self) -> int:
        """Requests still to be sent if nothing fails; an estimate until the list is read."""
        return cost.remaining(
            self._index,
            self._freshness.places,
            self.pages,
            size=self._batch.most,
            looked=self.begun or not self.look_first,
        )

    @property
    def unconfirmed(self) -> int:
        """Replaced webhook configurations whose delete no list has confirmed yet."""
        return self._index.count(Stage.DELETED, phases=(Phase.SWAP,))

    @property
    def in_doubt_now(self) -> bool:
        """Whether a create is in doubt."""
        return self._index.count(Stage.MAYBE) > 0

    @property
    def pairs(self) -> list[TrackedOperation]:
        """Updates and replacements whose old and new webhook configurations are live, or may be."""
        return self._index.at(Stage.CREATED, Stage.VERIFIED, Stage.DELETE_INTENT, phases=(Phase.SWAP,))

    @property
    def in_flight(self) -> bool:
        """Whether a request or a reading has no result yet."""
        return self._pending_scan is not None or self._index.in_flight

    def to_finish(self, *, taken_back: int = 0, waiting: int = 0) -> int:
        """Return how many requests it takes until nothing is live twice.

        Args:
            taken_back: creates of updates that were returned by `next` and are not sent any more.
            waiting: deletes of updates that were returned by `next` and have not been sent.
        """
        unseen = self._index.count(Stage.CREATE_INTENT, Stage.CREATED, phases=(Phase.SWAP,)) - taken_back
        seen = self._index.count(Stage.VERIFIED, phases=(Phase.SWAP,))
        return unseen + seen + waiting + (self._batch.seeing if unseen > 0 else 0)

    def take_moved(self) -> list[TrackedOperation]:
        """Return the operations that have changed since the last call, in input order."""
        return self._index.take_moved()

    def take_ended(self) -> list[TrackedOperation]:
        """Return the operations that have ended since the last call."""
        return self._index.take_ended()
