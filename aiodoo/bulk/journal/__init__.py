"""A run's journal: what it holds, what keeps it, and what tells how old it is."""

import os
from pathlib import Path

from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.journal import Baseline, Journal
from aiodoo.bulk.journal.past import JournaledRun, OperationEnd, no_run, read
from aiodoo.bulk.journal.refusals import DamagedJournal
from aiodoo.bulk.journal.store import JournalStore
from aiodoo.bulk.journal.summary import OperationSummary, RunSummary, summary_of
from aiodoo.clock import Clock

__all__ = [
    "Baseline",
    "DamagedJournal",
    "Journal",
    "JournalStore",
    "JournaledRun",
    "OperationEnd",
    "OperationSummary",
    "RunSummary",
    "no_run",
    "read",
    "store_at",
    "summarize",
]


def store_at(path: Path, *, key: bytes, clock: Clock) -> JournalStore:
    """Return what keeps a journal at a path.

    Args:
        path: of its file.
        key: what only those who have the API key know.
        clock: the time.

    Raises:
        JournalError: this system has no file locks.
    """
    return JournalFile(path, key=key, clock=clock)


def summarize(journal: str | os.PathLike[str]) -> RunSummary | None:
    """Return how far the run of a journal has come; None if none was begun in it.

    Needs no session and no secret, and does not disturb a run that goes on. Reads a file; call it in a thread if the
    event loop must not wait for a disk.

    Raises:
        JournalError: it cannot be read.
    """
    return summary_of(JournalFile(Path(journal)))
