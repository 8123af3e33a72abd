"""Records of finished work: which run last changed a team, and the last number of a finished run's journal.

They are stored as records of abandoned runs, which are not shown to users.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from aiodoo.quota.claim_store import ClaimStore, RunRecord

KEPT = timedelta(days=30)
"""How long the record of a finished run is kept."""

_FINISHED = "finished "


def last_work(base_url: str, team_id: str) -> str:
    """Return the name of the record of the run that last changed a team."""
    return f"team {base_url} {team_id}"


def note_work(record: RunRecord, team_id: str, at: datetime | None, store: ClaimStore) -> None:
    """Record that a run has changed a team until now, as lists that were read before may be stale."""
    if at is not None:
        _keep(record, last_work(record.base_url, team_id), at, store, who=record.run, journal_number=None)


def note_end(record: RunRecord, at: datetime | None, store: ClaimStore) -> None:
    """Record the last journal number of a finished run, so that an older copy of its journal cannot be resumed."""
    if at is None or record.journal_number is None:
        return
    for other in list(store.records()):
        if other.run.startswith(_FINISHED) and other.since + KEPT < at:
            store.drop(other.run)
    _keep(record, _FINISHED + record.run, at, store, who=record.who, journal_number=record.journal_number)


def ended(run: str, store: ClaimStore) -> RunRecord | None:
    """Return the record of a finished run; None if there is none."""
    return store.record(_FINISHED + run)


def _keep(
    record: RunRecord, name: str, at: datetime, store: ClaimStore, *, who: str, journal_number: int | None
) -> None:
    store.keep(
        msgspec.structs.replace(
            record,
            run=name,
            journal=None,
            command=None,
            who=who,
            since=at,
            number=record.number if name.startswith(_FINISHED) else 0,
            journal_number=journal_number,
            used=False,
            abandoned=True,
            kept_team=None,
        )
    )
