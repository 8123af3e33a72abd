"""An index of a team's operations by stage, so that no step scans them all. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from operator import attrgetter

import attrs

from aiodoo.operations.tracked import GONE, Phase, Stage, TrackedOperation

_IN_FLIGHT = (Stage.CREATE_INTENT, Stage.DELETE_INTENT)
_PHASES = tuple(Phase)
_number = attrgetter("number")


def in_order(changes: Iterable[TrackedOperation]) -> list[TrackedOperation]:
    """Return operations in input order."""
    return sorted(changes, key=_number)


@attrs.define(eq=False)
class OperationIndex:
    """A team's operations by phase and stage; each operation reports its moves to it.

    Attributes:
        changes: all operations, in input order.
        made: the operation whose `new_id` it is, by id.
        open: the operations that have not ended, by number.
        named: the last operation that names a webhook configuration, by id.
        moves: how often an operation has changed, so that what was found out until then can be used again.
    """

    changes: tuple[TrackedOperation, ...]
    made: dict[str, TrackedOperation] = attrs.field(factory=dict, init=False)
    open: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    named: dict[str, TrackedOperation] = attrs.field(factory=dict, init=False)
    moves: int = attrs.field(default=0, init=False)
    _at: dict[Phase, dict[Stage, dict[int, TrackedOperation]]] = attrs.field(
        factory=lambda: {phase: {stage: {} for stage in Stage} for phase in Phase}, init=False
    )
    _ready: dict[Phase, dict[int, TrackedOperation]] = attrs.field(
        factory=lambda: defaultdict(dict), init=False
    )
    _waiting: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    _before: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    _after: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    _moved: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    _ended: list[TrackedOperation] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        for change in self.changes:
            self._chain(change)
            if change.new_id is not None:
                self.made[change.new_id] = change
            if change.status is None:
                self._enter(change)
            if change.status is not None or change.stage is not Stage.PLANNED:
                self._moved[change.number] = change
            change.index = self

    def at(self, *stages: Stage, phases: Collection[Phase] = _PHASES) -> list[TrackedOperation]:
        """Return the open operations at any of these stages, in input order."""
        found = list[TrackedOperation]()
        for phase in phases:
            at = self._at[phase]
            for stage in stages:
                found += at[stage].values()
        return in_order(found)

    def count(self, *stages: Stage, phases: Collection[Phase] = _PHASES) -> int:
        """Return how many open operations are at any of these stages."""
        found = 0
        for phase in phases:
            at = self._at[phase]
            for stage in stages:
                found += len(at[stage])
        return found

    @property
    def in_flight(self) -> bool:
        """Whether a create or delete has no answer yet."""
        return self.count(*_IN_FLIGHT) > 0

    @property
    def goes_on(self) -> bool:
        """Whether pages suffice to go on: nothing is half done or in doubt, and each operation names a webhook of its own."""
        planned = [change for change in self.open.values() if change.stage is Stage.PLANNED]
        return (
            len(planned) + self.count(Stage.DELETED) == len(self.open)
            and not self._after
            and all(change.target_id is not None and not change.deletes_sent for change in planned)
        )

    def is_in_flight(self, phase: Phase) -> bool:
        """Return whether a create or delete of a phase has no answer yet."""
        return self.count(*_IN_FLIGHT, phases=(phase,)) > 0

    @property
    def is_confirming(self) -> bool:
        """Whether deletes wait for the list that confirms them."""
        return self.count(Stage.DELETED) > 0

    def ready(self, phase: Phase) -> Collection[TrackedOperation]:
        """Return the planned operations of a phase that may be sent, in the order in which they became ready."""
        return self._ready[phase].values()

    def waiting(self) -> list[TrackedOperation]:
        """Return the planned operations that may not be sent yet, in input order."""
        return in_order(self._waiting.values())

    def before(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the last earlier operation on the same webhook configuration."""
        return self._before.get(change.number)

    def after(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the next operation on the same webhook configuration."""
        return self._after.get(change.number)

    def last(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the operation whose new webhook replaces an operation's old one by now.

        It is the operation itself or a later replacement of the same webhook; None if a later delete removed it.
        """
        later = self.after(change)
        while later is not None and (later.stage in GONE or later.deletes_sent > 0):
            if not later.is_replacement:
                return None
            change, later = later, self.after(later)
        return change

    def has_turn(self, change: TrackedOperation) -> bool:
        """Return whether the earlier operations on the same webhook configuration have succeeded."""
        before = self.before(change)
        if before is None or before.ending.fine:
            return True
        return before.stage is Stage.DELETED and before.status is None

    def predates(self, change: TrackedOperation, lacking: str | None, listing: Collection[str]) -> str | None:
        """Return why a list without `lacking` may be too old to show it, or None if it is not.

        A list that still shows what an earlier operation has deleted may be older than its replacement.
        """
        before = self.before(change)
        while before is not None:
            asked = before.stage in GONE or before.deletes_sent > 0
            if before.is_replacement and asked and before.old_id in listing:
                replaced = f"doo still lists {before.old_id}, which {before.new_id} replaced"
                return f"{replaced}, so that it lacks {lacking} proves nothing"
            before = self.before(before)
        return None

    def take_moved(self) -> list[TrackedOperation]:
        """Return the operations that have changed since the last call, in input order.

        The first call includes those that another process has started or ended.
        """
        moved, self._moved = self._moved, {}
        return in_order(moved.values())

    def take_ended(self) -> list[TrackedOperation]:
        """Return the operations that have ended since the last call, in the order in which they ended."""
        ended, self._ended = self._ended, []
        return ended

    def before_move(self, change: TrackedOperation) -> None:
        """Remove an operation that is about to change."""
        self.moves += 1
        self.open.pop(change.number, None)
        self._at[change.phase][change.stage].pop(change.number, None)
        self._ready[change.phase].pop(change.number, None)
        self._waiting.pop(change.number, None)

    def after_move(self, change: TrackedOperation) -> None:
        """Enter an operation that has changed."""
        self._moved[change.number] = change
        if change.new_id is not None:
            self.made[change.new_id] = change
        if change.status is None:
            self._enter(change)
        else:
            self._ended.append(change)

    def _enter(self, change: TrackedOperation) -> None:
        self.open[change.number] = change
        self._at[change.phase][change.stage][change.number] = change
        if change.stage is Stage.PLANNED:
            places = self._ready[change.phase] if change.ready else self._waiting
            places[change.number] = change

    def _chain(self, change: TrackedOperation) -> None:
        if change.target_id is None:
            return
        before = self.named.get(change.target_id)
        if before is not None:
            self._before[change.number] = before
            self._after[before.number] = change
        self.named[change.target_id] = change
