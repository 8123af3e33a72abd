"""How long a lost request may still take effect, and whether a list is recent enough to prove something."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from datetime import timedelta

import attrs

SETTLE = 130.0
"""The default of `settle=`: for how many seconds after its answer was lost doo may still carry out a request."""

LAG = 0.25
"""How much older than its request a list may be, as a fraction of `settle`."""


def settled_after(settle: float) -> float:
    """Return the seconds after which a list proves whether a create without an answer was carried out."""
    return settle * (1 + LAG)


CONCLUSIVE = timedelta(seconds=math.ceil(settled_after(SETTLE)))
"""How long after a request whose answer was lost a list proves whether it was carried out."""


@attrs.define(kw_only=True, eq=False, repr=False)
class Lag:
    """Decides whether the last list of a team is recent enough, as a list may lag behind by `LAG`.

    Times are monotonic seconds.

    Attributes:
        settle: the seconds after which a create without an answer can no longer land; None to never wait.
        current_from: given the ids that a list shows, returns the time from which a list includes everything that this
            process has changed in the team; None if it has changed nothing.
        started: when the operations were given; what they name existed before.
        awaited: when the next list has to be started, so that it proves what is waited for.
    """

    settle: float | None
    current_from: Callable[[Collection[str]], float] | None = None
    started: float | None = None
    awaited: float = -math.inf
    _began: float = attrs.field(default=-math.inf, init=False)
    _current_from: float = attrs.field(default=-math.inf, init=False)

    def list_began(self, began: float, shown: Collection[str]) -> None:
        """Record that a list was read, and reset `awaited`."""
        self.awaited = -math.inf
        self._began = began
        if self.current_from is not None:
            self._current_from = self.current_from(shown)

    def proves_absence(self) -> bool:
        """Return whether something that an operation names is gone if the list lacks it, and not just too new for it.

        If not, `awaited` is set.
        """
        if self.settle is None or self.started is None:
            return True
        return self._is_recent(self.started + self.settle * LAG)

    def is_current(self) -> bool:
        """Return whether the list includes what this process has changed in the team; if not, `awaited` is set."""
        return self._is_recent(self._current_from)

    def _is_recent(self, earliest: float) -> bool:
        if self._began >= earliest:
            return True
        self.awaited = max(self.awaited, earliest)
        return False
