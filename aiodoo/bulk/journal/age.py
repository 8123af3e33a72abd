"""How old a journal is: what tells that it is not the one that was last written, but a copy, or cut.

Nothing in a file tells that a part of it is missing at its end. Two witnesses outside do: the disk, which notes when it
was last changed, and the ledger, which keeps the number of the run's last commit.
"""

from __future__ import annotations

from aiodoo.errors import JournalError

SLACK = 0.03
"""Seconds by which a file may have been changed before or after its last line says; disks count in steps of 10 ms."""

COARSE = 2.0
"""The same for disks that count whole seconds, or every other one."""


def is_apart(written: float, changed: float) -> bool:
    """Tell whether a file was changed at another time than its last line says."""
    slack = COARSE if changed == int(changed) else SLACK
    return abs(changed - written) > slack


def doubt(written: float, changed: float, *, copied: bool = False) -> str | None:
    """Return why a journal may be older than what was last written; None if its disk says that it is not.

    Args:
        written: when its last line was written.
        changed: when its file was changed.
        copied: whether its lines were written into another file, as those of a copy that was made in between were.
    """
    if copied:
        return "it is a copy, or was brought here from another disk"
    if not is_apart(written, changed):
        return None
    if changed < written:
        return f"its disk says that it was changed {written - changed:.2f} s before its last line was written"
    return f"the file was changed {changed - written:.2f} s after its last line was written"


def check(locator: str, number: int, *, known: int | None, why: str | None, moved: bool) -> bool:
    """See that a journal that is to be gone on with is the one that was last written.

    Args:
        locator: where it is.
        number: the number of its last commit.
        known: the number of the run's last commit that the ledger has; None where it knows none.
        why: why it may be older, as its disk says; None if it is not.
        moved: whether a person says that it is the last one all the same.

    Returns:
        Whether what was begun has to be taken for in doubt, because only a person says so.

    Raises:
        JournalError: it is older, or nothing tells that it is not.
    """
    if known is not None and number < known:
        raise JournalError(
            f"the journal {locator} is an old copy: it ends with commit {number}, and the ledger has seen the run's "
            f"commit {known}; nothing was sent. Go on with the journal that was last written. If there is none, give "
            "the run up with bulk.abandon(), list the teams to see what was done, and begin a new run"
        )
    if known is not None or why is None:
        return False
    if not moved:
        raise JournalError(
            f"the journal {locator} may be an old copy, or cut ({why}), and no ledger that knows its run is at hand; "
            "nothing was sent. If it is the last one, and was only copied, moved, or given other rights, say so with "
            "moved=True (--moved): every create that may have left is looked for first"
        )
    return True
