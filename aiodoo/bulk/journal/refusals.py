"""The errors for journals that cannot be used, whatever their format."""

from __future__ import annotations

from aiodoo.errors import JournalError, JournalLocked, JournalMismatch

MAKE_ROOM = "Make room or repair the disk, then run again with the same journal"
"""What to do where a disk has failed."""

PUT_BACK = (
    "Put the file back as it was, under one name, then run again with the same journal; if it is lost, give the run up with "
    "bulk.abandon(run=...) and list its teams"
)
"""What to do where something else has cut, moved or replaced a journal."""


class DamagedJournal(JournalError):
    """A file that is damaged or not a journal; a run in it can only be abandoned."""

    def __init__(self, locator: object, why: object) -> None:
        super().__init__(
            f"the journal {locator} is damaged, or no journal of aiodoo ({why}); nothing was sent. List the teams "
            "to see what was done, and start a new run with bulk.run([Ensure(...), ...])"
        )


def in_use(locator: object, holder: str) -> JournalLocked:
    """Return the error for a journal that another process has locked."""
    return JournalLocked(
        f"the journal {locator} is in use by {holder}; nothing was sent. Wait for it, or stop it"
    )


def newer(locator: object, version: object) -> JournalMismatch:
    """Return the error for a journal of a newer version of aiodoo."""
    return JournalMismatch(
        f"the journal {locator} was written by a newer version of aiodoo (schema {version}); nothing was sent. Use that "
        "version"
    )


def not_opened(locator: object, why: object) -> JournalError:
    """Return the error for a journal that cannot be opened."""
    return JournalError(f"the journal {locator} cannot be opened: {why}; nothing was sent")
