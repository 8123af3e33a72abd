"""What a server that keeps journals has to do, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs


class Away(Exception):
    """The server cannot be reached, or cannot serve at present; the message says why."""


class Refused(Exception):
    """The server does not carry out what it was asked for; the message says why."""


class Held(Exception):
    """Another process has the journal open; the message is its holder."""


@attrs.frozen(kw_only=True)
class Key:
    """The holder of an open journal.

    Attributes:
        name: the name of the journal.
        holder: the process, and a random part.
        lease: seconds until the journal is free again if the process does not renew it.
        number: the fencing number; 0 before it is known.
    """

    name: str
    holder: str
    lease: float
    number: int = 0


class Server(Protocol):
    """Keeps the lines of journals. Each method has the same effect when it is carried out twice, and may block.

    All raise `Away` or `Refused`.
    """

    def take(self, key: Key) -> int | None:
        """Make the holder that of a journal and return its fencing number; None if there is no such journal.

        Raises:
            Held: another process has it.
        """
        ...

    def begin(self, key: Key, run_id: str, first: Sequence[bytes]) -> bool:
        """Create a journal with its first lines and the fencing number 1; return False if another run has done so."""
        ...

    def append(self, key: Key, number: int, line: bytes) -> None:
        """Add the line of this number durably, unless it is there already.

        Raises:
            Refused: the fencing number is not the present one, or another line has this number.
        """
        ...

    def renew(self, key: Key) -> bool:
        """Renew the lease, unless another process has the journal; return whether it was renewed."""
        ...

    def free(self, key: Key) -> None:
        """End the lease, unless another process has the journal."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return all lines; None if there is no such journal."""
        ...

    def holder(self, name: str) -> str | None:
        """Return who has the journal open."""
        ...

    def begun(self) -> dict[str, float]:
        """Return when each journal was created, in seconds since 1970, by name."""
        ...

    def delete(self, name: str) -> bool:
        """Delete a journal that nobody has open; return whether there is none now."""
        ...

    def close(self) -> None:
        """Close the connection, if there is one; the next call opens it again."""
        ...
