"""How long a lost request may still take effect, and what a list that lags behind cannot prove yet. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from datetime import timedelta

import attrs

SETTLE = 130.0
"""What `settle=` is unless it is given: doo may act on a request so many seconds after its answer was lost."""

LAG = 0.25
"""The part of `settle` by which a list may be older than the moment at which it is asked for."""


def settled_after(settle: float) -> float:
    """Return the seconds after which a list shows for sure whether a create without an answer has happened."""
    return settle * (1 + LAG)


CONCLUSIVE = timedelta(seconds=math.ceil(settled_after(SETTLE)))
"""After this long a list shows what became of a request whose answer was lost."""


@attrs.define(kw_only=True, eq=False)
class Lag:
    """Whether the team's list, as it was last read, may be older than what matters.

    Attributes:
        settle: seconds after which a create without an answer can no longer land; None never waits.
        current_from: given the ids that a list shows, returns from when on it need not be older than what this
            process has changed in the team; None if it has changed nothing.
        started: when the operations were known (monotonic seconds): what they name was made before.
        awaited: when a list has to be begun that proves what those that wait for it need.
    """

    settle: float | None
    current_from: Callable[[Collection[str]], float] | None = None
    started: float | None = None
    awaited: float = -math.inf
    _began: float = attrs.field(default=-math.inf, init=False)
    _current_from: float = attrs.field(default=-math.inf, init=False)

    def list_began(self, began: float, shown: Collection[str]) -> None:
        """Take in that the list was read; what waits says so anew."""
        self.awaited = -math.inf
        self._began = began
        if self.current_from is not None:
            self._current_from = self.current_from(shown)

    def proves_absence(self) -> bool:
        """Tell whether what an operation names and the list lacks is gone, and not only too new for the list.

        If not, what asks waits for a later list.
        """
        if self.settle is None or self.started is None:
            return True
        late = self.started + self.settle * LAG
        return self._is_late(late)

    def is_current(self) -> bool:
        """Tell whether the list shows what this process has changed in the team; if not, what asks waits."""
        return self._is_late(self._current_from)

    def _is_late(self, late: float) -> bool:
        if self._began >= late:
            return True
        self.awaited = max(self.awaited, late)
        return False
