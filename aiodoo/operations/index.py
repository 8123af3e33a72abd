"""Where each of a team's changes stands, kept as they move, so that no step has to go through all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import attrs

from aiodoo.operations.tracked import GONE, Phase, Stage, TrackedOperation


def _in_order(changes: Iterable[TrackedOperation]) -> list[TrackedOperation]:
    return sorted(changes, key=lambda change: change.number)


@attrs.define(eq=False)
class OperationIndex:
    """A team's changes by how far they have come.

    Attributes:
        changes: all of them, in input order.
        made: by the id of a webhook configuration, the change that it stands for.
        open: those that have not ended, by number.
        named: the ids that operations name.
    """

    changes: tuple[TrackedOperation, ...]
    made: dict[str, TrackedOperation] = attrs.field(factory=dict, init=False)
    open: dict[int, TrackedOperation] = attrs.field(factory=dict, init=False)
    named: dict[str, TrackedOperation] = attrs.field(factory=dict, init=False)
    _at: dict[tuple[Phase, Stage], dict[int, TrackedOperation]] = attrs.field(
        factory=lambda: defaultdict(dict), init=False
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

    def at(self, *stages: Stage, phases: Collection[Phase] = tuple(Phase)) -> list[TrackedOperation]:
        """Return the open changes at any of these stages, in input order."""
        return _in_order(
            change for stage in stages for phase in phases for change in self._at[phase, stage].values()
        )

    def count(self, *stages: Stage, phases: Collection[Phase] = tuple(Phase)) -> int:
        """Return how many open changes are at any of these stages."""
        return sum(len(self._at[phase, stage]) for stage in stages for phase in phases)

    def ready(self, phase: Phase) -> Collection[TrackedOperation]:
        """Return the planned changes of a phase that may be sent."""
        return self._ready[phase].values()

    def waiting(self) -> list[TrackedOperation]:
        """Return the planned changes that may not be sent yet, in input order."""
        return _in_order(self._waiting.values())

    def before(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the last earlier operation on the same webhook configuration."""
        return self._before.get(change.number)

    def after(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the next operation on the same webhook configuration."""
        return self._after.get(change.number)

    def last(self, change: TrackedOperation) -> TrackedOperation | None:
        """Return the operation whose new webhook stands for what a change replaces; None if a later delete took it away."""
        later = self.after(change)
        while later is not None and (later.stage in GONE or later.deletes_sent > 0):
            if not later.is_replacement:
                return None
            change, later = later, self.after(later)
        return change

    def has_turn(self, change: TrackedOperation) -> bool:
        """Return whether nothing earlier on the same webhook configuration is in the way of a change."""
        before = self.before(change)
        if before is None or before.ending.fine:
            return True
        return before.stage is Stage.DELETED and before.status is None

    def predates(self, change: TrackedOperation, lacking: str | None, listing: Collection[str]) -> str | None:
        """Say why a list that lacks a change's webhook configuration may be older than that; None if it is not."""
        before = self.before(change)
        while before is not None:
            asked = before.stage in GONE or before.deletes_sent > 0
            if before.is_replacement and asked and before.old_id in listing:
                replaced = f"doo still lists {before.old_id}, which {before.new_id} replaced"
                return f"{replaced}, so that it lacks {lacking} proves nothing"
            before = self.before(before)
        return None

    def take_moved(self) -> list[TrackedOperation]:
        """Return what has moved since this was last asked, or begun earlier, in input order."""
        moved, self._moved = self._moved, {}
        return _in_order(moved.values())

    def take_ended(self) -> list[TrackedOperation]:
        """Return what has ended since this was last asked, in the order of the ends."""
        ended, self._ended = self._ended, []
        return ended

    def leave(self, change: TrackedOperation) -> None:
        """Forget where a change stands, as it is about to move."""
        self.open.pop(change.number, None)
        self._at[change.phase, change.stage].pop(change.number, None)
        self._ready[change.phase].pop(change.number, None)
        self._waiting.pop(change.number, None)

    def arrive(self, change: TrackedOperation) -> None:
        """Take in where a change has moved to."""
        self._moved[change.number] = change
        if change.new_id is not None:
            self.made[change.new_id] = change
        if change.status is None:
            self._enter(change)
        else:
            self._ended.append(change)

    def _enter(self, change: TrackedOperation) -> None:
        self.open[change.number] = change
        self._at[change.phase, change.stage][change.number] = change
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
