"""A run's journal: its content, its file, and the check that it is the latest copy."""

import os
from pathlib import Path

from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.journal import Baseline, Journal
from aiodoo.bulk.journal.past import JournaledRun, OperationEnd, no_run, read
from aiodoo.bulk.journal.refusals import DamagedJournal
from aiodoo.bulk.journal.shared import SharedJournal
from aiodoo.bulk.journal.store import JournalStore
from aiodoo.bulk.journal.summary import OperationSummary, RunSummary, summary_of
from aiodoo.bulk.journal.timeline import Moment, timeline
from aiodoo.clock import Clock

__all__ = [
    "Baseline",
    "DamagedJournal",
    "Journal",
    "JournalPlace",
    "JournalStore",
    "JournaledRun",
    "Moment",
    "OperationEnd",
    "OperationSummary",
    "RunSummary",
    "SharedJournal",
    "no_run",
    "read",
    "store_at",
    "summarize",
    "timeline",
]

JournalPlace = str | os.PathLike[str] | SharedJournal
"""Where a journal is: the path of a file, or its name on a server."""


def store_at(place: JournalPlace, *, key: bytes | None = None, clock: Clock | None = None) -> JournalStore:
    """Return the store of a journal.

    Args:
        place: the path of its file, or its name on a server.
        key: the key of its lines' hashes, derived from the API key; without it nothing can be written.
        clock: the time.

    Raises:
        JournalError: this system has no file locks.
    """
    if isinstance(place, SharedJournal):
        return place.store(key=key, clock=clock)
    return JournalFile(Path(place), key=key, clock=clock)


def summarize(journal: JournalPlace) -> RunSummary | None:
    """Return how far the run of a journal has come; None if the journal holds no run.

    Needs no session and no secret, costs no request, and does not affect a run that is alive. Blocks: call it in
    a thread if the event loop must not wait for a disk or a server.

    Raises:
        JournalError: it cannot be read.
    """
    return summary_of(store_at(journal))
