"""A run's journal: its content, its file, and the check that it is the latest copy."""

import os
from pathlib import Path

from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.journal import Baseline, Journal
from aiodoo.bulk.journal.past import JournaledRun, OperationEnd, no_run, read
from aiodoo.bulk.journal.refusals import DamagedJournal
from aiodoo.bulk.journal.store import JournalStore
from aiodoo.bulk.journal.summary import OperationSummary, RunSummary, summary_of
from aiodoo.bulk.journal.timeline import Moment, timeline
from aiodoo.clock import Clock

__all__ = [
    "Baseline",
    "DamagedJournal",
    "Journal",
    "JournalStore",
    "JournaledRun",
    "Moment",
    "OperationEnd",
    "OperationSummary",
    "RunSummary",
    "no_run",
    "read",
    "store_at",
    "summarize",
    "timeline",
]


def store_at(path: Path, *, key: bytes, clock: Clock) -> JournalStore:
    """Return the store of a journal.

    Args:
        path: the path of its file.
        key: the key of its lines' hashes, derived from the API key.
        clock: the time.

    Raises:
        JournalError: this system has no file locks.
    """
    return JournalFile(path, key=key, clock=clock)


def summarize(journal: str | os.PathLike[str]) -> RunSummary | None:
    """Return how far the run of a journal has come; None if the journal holds no run.

    Needs no session and no secret, costs no request, and does not affect a run that is alive. Reads a file; call it in a
    thread if the event loop must not wait for a disk.

    Raises:
        JournalError: it cannot be read.
    """
    return summary_of(JournalFile(Path(journal)))
