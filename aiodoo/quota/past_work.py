"""What a ledger keeps of work that is done: who was last at work on a team, and how long a finished run's journal was.

It is kept as the records of runs that were given up, so that nobody is shown it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from aiodoo.quota.claim_store import ClaimStore, RunRecord

KEPT = timedelta(days=30)
"""For how long it is known how long a finished run's journal was."""

_FINISHED = "finished "


def last_work(base_url: str, team_id: str) -> str:
    """Return the name under which it is kept who last worked on a team, and until when."""
    return f"team {base_url} {team_id}"


def note_work(record: RunRecord, team_id: str, at: datetime | None, store: ClaimStore) -> None:
    """Note that a run has worked on a team until now: a list that was read before may be an old one."""
    if at is not None:
        _keep(record, last_work(record.base_url, team_id), at, store, who=record.run, journal_number=None)


def note_end(record: RunRecord, at: datetime | None, store: ClaimStore) -> None:
    """Note how long the journal of a run is that has finished; an older copy of it would send everything again."""
    if at is None or record.journal_number is None:
        return
    for other in list(store.records()):
        if other.run.startswith(_FINISHED) and other.since + KEPT < at:
            store.drop(other.run)
    _keep(record, _FINISHED + record.run, at, store, who=record.who, journal_number=record.journal_number)


def ended(run: str, store: ClaimStore) -> RunRecord | None:
    """Return what is kept of a run that has finished."""
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
