"""The protocol of a journal's store, so that a journal does not depend on files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

Row = tuple[str, str, Any]
"""A kind, a key within it, and a JSON value. A later row replaces an earlier one of the same kind and key."""

Rows = Mapping[str, Mapping[str, Any]]
"""The values by kind and key."""


@attrs.frozen(kw_only=True)
class Content:
    """The content of a store.

    Attributes:
        rows: all rows.
        number: the number of commits.
        run_id: the id of the run; None in a journal that is older than run ids.
        forged_at: the number of the first commit with a wrong hash; None if all are right, or without the key.
        doubt: why it may be an old copy; None if it is not.
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
    """Stores the rows of one run in commits. All methods may block; a journal calls them in a thread."""

    @property
    def locator(self) -> str:
        """Where it is, as text, such as an absolute path."""
        ...

    @property
    def number(self) -> int:
        """The number of the last durable commit."""
        ...

    @property
    def may_be_taken(self) -> bool:
        """Whether another process may have taken it up, as it was not known to be locked for too long; does not block."""
        ...

    def open(self) -> Content | None:
        """Lock it for a run and return its content, or None if it does not exist; nothing is written.

        Raises:
            JournalLocked: another run has locked it.
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be used.
        """
        ...

    def begin(self, run_id: str, rows: Sequence[Row]) -> None:
        """Create it, locked, with its first rows, atomically; an older format is replaced.

        Raises:
            JournalLocked: another run has started there meanwhile.
            JournalWriteFailed: it could not be created.
        """
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none; they are durable when this returns.

        Raises:
            JournalWriteFailed: they were not written, or it was replaced or changed by others.
        """
        ...

    def read(self) -> Content:
        """Return its content without a lock, also while a run writes to it.

        Raises:
            JournalMismatch: a newer version of aiodoo wrote it.
            JournalError: it cannot be read.
        """
        ...

    def owner(self) -> str | None:
        """Return the process that has locked it for a run, as text; None if none has."""
        ...

    def close(self) -> None:
        """Unlock it."""
        ...
