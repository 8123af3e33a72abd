"""The rules for claims of runs on teams: pure functions over a store, the same in memory and in a file.

A run claims all its teams when it starts. A claimed team is *planned*, and *begun* once the run works on it. No other
run may begin a begun team. A planned one may be begun by another run while the first is alive, which then skips it;
when the first is no longer alive, killed or parked, its planned teams are refused to others as well, so that the same
command does not start again what is half done.

A claim belongs to the run and outlives its process. Each process that resumes the run gets a higher fencing number,
and updates with an older number are refused. A claim lapses with its process if there is nothing to resume: the run
has no journal, or never asked for a slot, so that nothing was sent.

Finished work is recorded too: which run last changed a team, and the last number of a finished run's journal. These are
stored as records of abandoned runs, which are not shown to users.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs
import msgspec

from aiodoo.checks import printable
from aiodoo.errors import TeamClaimed
from aiodoo.quota.claim_store import ClaimStore, RunRecord
from aiodoo.quota.updates import (
    Abandoned,
    Claimed,
    ClaimUpdate,
    Finished,
    LetGo,
    LookedUp,
    Noted,
    TeamBegun,
    TeamDone,
)

KEPT = timedelta(days=30)
"""How long the record of a finished run is kept."""
_FINISHED = "finished "

Alive = Callable[[str], bool]
"""Returns whether the run of that id is alive."""


@attrs.frozen(kw_only=True)
class Claim:
    """A run that claims teams, as users see it.

    Attributes:
        run: the id of the run.
        base_url: the base URL of the service.
        teams: the ids of the claimed teams.
        journal: the path of its journal; None without one.
        command: the subcommand that started it; None if it was not started by the command line.
        who: the user and host.
        since: when it claimed the teams (UTC).
        alive: whether a process works on it.
        unread: why its journal could not be read when it was abandoned; None if it could be read or there is none.
    """

    run: str
    base_url: str
    teams: tuple[str, ...]
    journal: str | None
    command: str | None
    who: str
    since: datetime
    alive: bool
    unread: str | None = None

    def refusal(self) -> TeamClaimed:
        """Return the error for another run that needs one of its teams."""
        what = f"the run {self.run}" + (f" ({self.command})" if self.command else "")
        journal = "it has no journal" if self.journal is None else f"its journal is {self.journal}"
        if self.alive:
            way = (
                "It is alive: wait for it, or stop it first, and then resume or abandon it"
                if self.journal is not None
                else "It is alive: wait for it, or stop it"
            )
        else:
            way = "It is not alive: resume or abandon it"
        if self.journal is not None:
            way += (
                f", with bulk.resume({self.journal!r}) or bulk.abandon(journal={self.journal!r}); without the file, "
                f"bulk.abandon(run={self.run!r})"
                if self.journal.startswith("/")
                else ", with bulk.resume(journal) or bulk.abandon(journal=journal) and that journal of aiodoo.journals"
            )
        return TeamClaimed(
            printable(
                f"team {self.teams[0]} is claimed by {what}, begun by {self.who}, since "
                f"{self.since:%Y-%m-%d %H:%M:%S} UTC; {journal}. Nothing was sent. {way}."
            ),
            team_id=self.teams[0],
            run=self.run,
            journal=self.journal,
            since=self.since,
            alive=self.alive,
            who=self.who,
            command=self.command,
        )


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The update was carried out.

    Attributes:
        number: the fencing number of the run from now on.
        journal_number: the last number of its journal that was reported to the ledger.
        known: whether the ledger knew the run.
        worked_until: when another run last released the team after it had changed it (UTC); None if none has.
    """

    number: int
    journal_number: int | None = None
    known: bool = False
    worked_until: datetime | None = None


class Overtaken(msgspec.Struct, frozen=True):
    """The update was refused: another process has resumed the run with a higher number, or the run was abandoned."""

    run: str
    given_up: bool = False


Answer = Given | Claim | Overtaken
"""The result of an update of claims; a `Claim` is the one of another run that prevents it."""


def carry_out(update: ClaimUpdate, store: ClaimStore, alive: Alive) -> Answer:
    """Carry out an update of claims; if a `Claim` or `Overtaken` is returned, nothing was changed."""
    if isinstance(update, Claimed):
        return _claim(update, store, alive)
    record = store.record(update.run)
    if isinstance(update, Abandoned):
        return _abandon(record, store, alive)
    if isinstance(update, LookedUp | LetGo):  # neither changes what is claimed
        return Given(number=0) if record is None else shown(record, store, alive)
    if record is None or record.abandoned or record.number != update.number:
        return Overtaken(update.run, record is not None and record.abandoned)
    if isinstance(update, TeamBegun):
        return _begin(update, record, store, alive)
    if isinstance(update, TeamDone):
        _done(update, record, store)
    elif isinstance(update, Noted):
        if not record.used or update.journal_number != record.journal_number:
            record.used, record.journal_number = True, update.journal_number
            store.keep(record)
    elif isinstance(update, Finished):
        _finish(update, record, store)
    return Given(number=record.number, journal_number=record.journal_number, known=True)


def shown(record: RunRecord, store: ClaimStore, alive: Alive, *, first: str | None = None) -> Claim:
    """Return the claim of a run as users see it, with the team `first` first."""
    teams = sorted(store.teams_of(record.run))
    if first is not None:
        teams = [first, *(team for team in teams if team != first)]
    return Claim(
        run=record.run,
        base_url=record.base_url,
        teams=tuple(teams),
        journal=record.journal,
        command=record.command,
        who=record.who,
        since=record.since,
        alive=alive(record.run),
    )


def stands(record: RunRecord, alive: Alive) -> bool:
    """Return whether a run's claims are valid: it is alive, or may have left something half done."""
    return not record.abandoned and not _has_lapsed(record, living=alive(record.run))


def _has_lapsed(record: RunRecord, *, living: bool) -> bool:
    return not living and (record.journal is None or not record.used)


def holder(
    store: ClaimStore, base_url: str, team_id: str, alive: Alive, *, but: str = "", begun: bool = False
) -> Claim | None:
    """Return the claim of another run on a team, or None; deletes claims that have lapsed.

    Args:
        store: the claims.
        base_url: the base URL of the service.
        team_id: the team.
        alive: returns whether a run is alive.
        but: the run that asks.
        begun: whether to consider only runs that have begun the team.
    """
    for run, has_begun in sorted(store.runs_of(base_url, team_id).items()):
        record = store.record(run)
        if run == but or record is None:
            continue
        living = alive(run)
        if _has_lapsed(record, living=living):
            store.drop(run)
        elif has_begun or not (living or begun):
            return shown(record, store, alive, first=team_id)
    return None


def _claim(update: Claimed, store: ClaimStore, alive: Alive) -> Answer:
    """Claim all teams of a new run or none; of a resumed one, those that no other run has begun since.

    Otherwise two runs that have each begun a planned team of the other would block each other forever.
    """
    record = store.record(update.run)
    if record is not None and record.abandoned:
        return Overtaken(update.run, given_up=True)
    begun = _release_done(update, store)
    claims = {
        team_id: holder(store, update.base_url, team_id, alive, but=update.run, begun=record is not None)
        for team_id in update.teams
    }
    free = [team_id for team_id, claim in claims.items() if claim is None]
    other = next((claim for claim in claims.values() if claim is not None), None)
    if other is not None and (record is None or not free):
        return other
    # The first team is begun at once, so that of several runs with the same teams only one can start.
    first = min(free, default=None)
    for team_id in update.teams:
        store.put(update.run, update.base_url, team_id, begun=team_id in begun or team_id == first)
    return _number(update, record, store)


def _release_done(update: Claimed, store: ClaimStore) -> set[str]:
    """Release the teams that a resumed run has finished, even if it cannot be resumed yet; return those it has begun."""
    old = dict(store.teams_of(update.run))
    for team_id in old.keys() - set(update.teams):
        store.remove(update.run, update.base_url, team_id)
    return {team_id for team_id, begun in old.items() if begun}


def _number(update: Claimed, record: RunRecord | None, store: ClaimStore) -> Answer:
    """Store the record of a run that starts or is resumed, with the next fencing number."""
    before = record or _ended(update.run, store)
    now = RunRecord(
        run=update.run,
        base_url=update.base_url,
        journal=update.journal,
        command=update.command or (record.command if record else None),
        who=update.who,
        since=update.since,
        number=(before.number if before else 0) + 1,
        journal_number=before.journal_number if before else None,
        used=record.used if record else False,
    )
    store.keep(now)
    return Given(number=now.number, journal_number=now.journal_number, known=before is not None)


def _begin(update: TeamBegun, record: RunRecord, store: ClaimStore, alive: Alive) -> Answer:
    # A run that is alive may begin a team that a run killed meanwhile has only planned.
    other = holder(store, record.base_url, update.team_id, alive, but=update.run, begun=True)
    if other is not None:
        return other
    store.put(update.run, record.base_url, update.team_id, begun=True)
    if record.kept_team is not None:
        if record.kept_team != update.team_id:
            store.remove(update.run, record.base_url, record.kept_team)
        record.kept_team = None
        store.keep(record)
    last = store.record(_last_work(record.base_url, update.team_id))
    return Given(
        number=record.number,
        journal_number=record.journal_number,
        known=True,
        worked_until=None if last is None or last.who == update.run else last.since,
    )


def _done(update: TeamDone, record: RunRecord, store: ClaimStore) -> None:
    """Release a team, but keep the last begun one while others are planned.

    Otherwise the same command, started again between two teams, would find none of them begun.
    """
    _note_work(record, update.team_id, update.changed_until, store)
    if store.has_begun_another(update.run, update.team_id) is False:
        record.kept_team = update.team_id
        store.keep(record)
    else:
        store.remove(update.run, record.base_url, update.team_id)


def _finish(update: Finished, record: RunRecord, store: ClaimStore) -> None:
    for team_id, begun in store.teams_of(update.run).items():
        if begun:
            _note_work(record, team_id, update.at, store)
    store.drop(update.run)
    _note_end(record, update.at, store)


def _abandon(record: RunRecord | None, store: ClaimStore, alive: Alive) -> Answer:
    """Mark a run as abandoned and delete its claims."""
    if record is None:
        return Given(number=0)
    if alive(record.run):
        return shown(record, store, alive)
    for team_id in tuple(store.teams_of(record.run)):
        store.remove(record.run, record.base_url, team_id)
    record.abandoned = True
    record.number += 1
    store.keep(record)
    return Given(number=record.number, journal_number=record.journal_number, known=True)


def _last_work(base_url: str, team_id: str) -> str:
    """Return the name of the record of the run that last changed a team."""
    return f"team {base_url} {team_id}"


def _note_work(record: RunRecord, team_id: str, at: datetime | None, store: ClaimStore) -> None:
    """Record that a run has changed a team until now, as lists that were read before may be stale."""
    if at is not None:
        _keep(record, _last_work(record.base_url, team_id), at, store, who=record.run, journal_number=None)


def _note_end(record: RunRecord, at: datetime | None, store: ClaimStore) -> None:
    """Record the last journal number of a finished run, so that an older copy of its journal cannot be resumed."""
    if at is None or record.journal_number is None:
        return
    for other in list(store.records()):
        if other.run.startswith(_FINISHED) and other.since + KEPT < at:
            store.drop(other.run)
    _keep(record, _FINISHED + record.run, at, store, who=record.who, journal_number=record.journal_number)


def _ended(run: str, store: ClaimStore) -> RunRecord | None:
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
