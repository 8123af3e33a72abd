"""Checks that a journal is the latest copy, and not an old or a truncated one.

A file does not show that its end is missing. Two things outside it do: the time of its last change on the disk, and the
number of the run's last commit in the ledger.
"""

from __future__ import annotations

from aiodoo.errors import JournalError

SLACK = 0.03
"""Seconds by which a file's time may differ from that of its last line; file systems count in steps of 10 ms."""

COARSE = 2.0
"""The same for file systems with a resolution of one or two seconds."""


def is_apart(written: float, changed: float) -> bool:
    """Return whether the time of a file's last change differs from that of its last line."""
    slack = COARSE if changed == int(changed) else SLACK
    return abs(changed - written) > slack


def doubt(written: float, changed: float, *, copied: bool = False) -> str | None:
    """Return why a journal may be an old copy; None if its file shows that it is not.

    Args:
        written: when its last line was written.
        changed: when its file was changed.
        copied: whether its lines were written into another file.
    """
    if copied:
        return "it is a copy, or was brought here from another disk"
    if not is_apart(written, changed):
        return None
    if changed < written:
        return f"its disk says that it was changed {written - changed:.2f} s before its last line was written"
    return f"the file was changed {changed - written:.2f} s after its last line was written"


def check(locator: str, number: int, *, known: int | None, why: str | None, moved: bool) -> bool:
    """Check that a journal is the latest copy before its run is resumed.

    Args:
        locator: where it is.
        number: the number of its last commit.
        known: the number of the run's last commit in the ledger; None if the ledger does not know the run.
        why: why it may be an old copy, by `doubt`; None if it is not.
        moved: whether the caller states that it is the latest copy.

    Returns:
        Whether only the caller says so, so that creates have to be treated as in doubt.

    Raises:
        JournalError: it is an old copy, or may be one.
    """
    if known is not None and number < known:
        raise JournalError(
            f"the journal {locator} is an old copy: it ends with commit {number}, and the ledger has seen the run's "
            f"commit {known}; nothing was sent. Resume from the latest copy. If there is none, give the run "
            "up with bulk.abandon(), list the teams to see what was done, and start a new run"
        )
    if known is not None or why is None:
        return False
    if not moved:
        raise JournalError(
            f"the journal {locator} may be an old or truncated copy ({why}), and the ledger does not know its run; "
            "nothing was sent. If it is the latest copy, and was only copied, moved, or given other permissions, say so with "
            "moved=True (--moved): every create that may have been sent is looked for first"
        )
    return True
