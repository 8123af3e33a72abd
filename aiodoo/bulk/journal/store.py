"""What keeps a journal's rows: one protocol, so that a journal does not know whether it is a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

Row = tuple[str, str, Any]
"""A kind, a key within it, and the value to keep, as plain JSON. A later row takes the place of an earlier one."""

Rows = Mapping[str, Mapping[str, Any]]
"""The value of every row, by its kind and its key."""


@attrs.frozen(kw_only=True)
class Content:
    """What a store holds.

    Attributes:
        rows: all of them.
        number: how many commits they came in.
        run_id: which run they belong to; None in a journal that is older than run ids.
        forged_at: the first commit whose keyed hash is another one's; None if all are right, or without the key.
        doubt: why it may be older than what was last written; None if nothing says so.
    """

    rows: Rows
    number: int
    run_id: str | None = None
    forged_at: int | None = None
    doubt: str | None = None

    def one(self, kind: str) -> Any:
        """Return the only value of a kind, or None."""
        return self.rows.get(kind, {}).get(kind)


class JournalStore(Protocol):
    """Keeps the rows of one run, in commits. All methods may block; a journal calls them in a thread of its own."""

    @property
    def locator(self) -> str:
        """Where it is, as text that finds it again from anywhere."""
        ...

    @property
    def number(self) -> int:
        """The number of the last commit that is kept for good."""
        ...

    def open(self) -> Content | None:
        """Lock it for a run and return what it holds; None if there is nothing yet. Nothing is changed.

        Raises:
            JournalLocked: another run holds it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be used.
        """
        ...

    def begin(self, run_id: str, rows: Sequence[Row]) -> None:
        """Make it, locked, with its first rows, all or nothing; an older form is replaced.

        Raises:
            JournalLocked: another run has begun there meanwhile.
            JournalWriteFailed: it could not be made.
        """
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Keep rows, all or none; they are kept for good when this returns.

        Raises:
            JournalWriteFailed: they are not kept, or it is no longer this run's.
        """
        ...

    def read(self) -> Content:
        """Return what it holds, without a lock; a run may be writing to it.

        Raises:
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be read.
        """
        ...

    def owner(self) -> str | None:
        """Return who holds it for a run now, as text; None if nobody does."""
        ...

    def close(self) -> None:
        """Let the next run have it."""
        ...
