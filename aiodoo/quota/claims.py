"""Which run works on which team: pure logic over a store, the same in memory and in a file.

A run claims all its teams when it begins. From then on a team is *planned*, and *begun* once the run has come to it.
A begun team is the run's alone. A planned one may be begun by another run while the first is alive, which then does
without it; once the first is not alive any more, killed or parked, its planned teams are its own as well, so that the
same command does not begin anew what is half done.

The claim belongs to the run and outlives its process. Whoever goes on with the run takes its claim up with a higher
number, and what is said with an older number is refused. A claim lapses with the process if there is nothing to go on
with: no journal, or no slot was ever asked for, so that nothing was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
import msgspec

from aiodoo.checks import printable
from aiodoo.errors import TeamClaimed
from aiodoo.quota.claim_store import ClaimStore, RunRecord
from aiodoo.quota.past_work import ended, last_work, note_end, note_work
from aiodoo.quota.words import Abandoned, Claimed, ClaimWord, Finished, Noted, TeamBegun, TeamDone

Alive = Callable[[str], bool]
"""Tells whether the run of that id is going on in some process."""


@attrs.frozen(kw_only=True)
class Claim:
    """A run that claims teams, as users see it.

    Attributes:
        run: its id.
        base_url: of the service that the teams are at.
        teams: those that it claims.
        journal: where its journal is; None without one.
        command: the name of the subcommand that started it, if it was one.
        who: the user and host.
        since: when it claimed them (UTC).
        alive: whether some process carries it out.
        unread: why its journal could not be read when it was given up; None if it could, or there is none.
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
        """Return what to raise where somebody else comes to its team."""
        claim = self
        what = f"the run {claim.run}" + (f" ({claim.command})" if claim.command else "")
        journal = "it has no journal" if claim.journal is None else f"its journal is {claim.journal}"
        if claim.alive:
            way = (
                "It is going on: wait for it, or stop it first, and then go on with it or give it up"
                if claim.journal is not None
                else "It is going on: wait for it, or stop it"
            )
        else:
            way = "Nobody is at work on it: go on with it, or give it up"
        if claim.journal is not None:
            way += (
                f", with bulk.resume({claim.journal!r}) or bulk.abandon(journal={claim.journal!r}); without the file, "
                f"bulk.abandon(run={claim.run!r})"
            )
        return TeamClaimed(
            printable(
                f"team {claim.teams[0]} is claimed by {what}, begun by {claim.who}, since "
                f"{claim.since:%Y-%m-%d %H:%M:%S} UTC; {journal}. Nothing was sent. {way}."
            ),
            team_id=claim.teams[0],
            run=claim.run,
            journal=claim.journal,
            since=claim.since,
            alive=claim.alive,
            who=claim.who,
            command=claim.command,
        )


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A run has what it asked for.

    Attributes:
        number: who speaks for the run from now on.
        journal_number: what the ledger had of its journal.
        gone_on: whether the ledger knew the run.
        worked_until: when another run last let go of the team that this one comes to, which it had changed (UTC); None if
            none has.
    """

    number: int
    journal_number: int | None = None
    gone_on: bool = False
    worked_until: datetime | None = None


class Overtaken(msgspec.Struct, frozen=True):
    """Nothing was changed: somebody else has taken the run up with a higher number, or a person has given it up."""

    run: str
    given_up: bool = False


Answer = Given | Claim | Overtaken
"""What a word about claims comes to: it was carried out, or somebody else has what it asks for."""


def carry_out(word: ClaimWord, store: ClaimStore, alive: Alive) -> Answer:
    """Carry out one word; a `Claim` in return says who is in the way, and then nothing was changed."""
    if isinstance(word, Claimed):
        return _claim(word, store, alive)
    record = store.record(word.run)
    if isinstance(word, Abandoned):
        return _abandon(record, store, alive)
    if record is None or record.abandoned or record.number != word.number:
        return Overtaken(word.run, record is not None and record.abandoned)
    if isinstance(word, TeamBegun):
        return _begin(word, record, store, alive)
    if isinstance(word, TeamDone):
        _done(word, record, store)
    elif isinstance(word, Noted):
        if not record.used or word.journal_number != record.journal_number:
            record.used, record.journal_number = True, word.journal_number
            store.keep(record)
    elif isinstance(word, Finished):
        _finish(word, record, store)
    return Given(number=record.number, journal_number=record.journal_number, gone_on=True)


def shown(record: RunRecord, store: ClaimStore, alive: Alive, *, first: str | None = None) -> Claim:
    """Return a run as people are shown it, with the team that matters first."""
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
    """Return whether a run's claims still hold: it goes on, or may have left something half done."""
    return not record.abandoned and not _has_lapsed(record, living=alive(record.run))


def _has_lapsed(record: RunRecord, *, living: bool) -> bool:
    return not living and (record.journal is None or not record.used)


def holder(
    store: ClaimStore, base_url: str, team_id: str, alive: Alive, *, but: str = "", begun: bool = False
) -> Claim | None:
    """Return who claims a team, of all runs but one; forgets claims that have lapsed.

    Args:
        store: where claims are kept.
        base_url: of the service that the team is at.
        team_id: the team.
        alive: tells whether a run is going on.
        but: the run that asks.
        begun: whether only a run that has begun the team is in the way.
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


def _claim(word: Claimed, store: ClaimStore, alive: Alive) -> Answer:
    record = store.record(word.run)
    if record is not None and record.abandoned:
        return Overtaken(word.run, given_up=True)
    known = record is not None
    old = dict(store.teams_of(word.run)) if known else {}
    # What a run that goes on has done is nobody's any more, also if it cannot go on yet.
    for team_id in old.keys() - set(word.teams):
        store.remove(word.run, word.base_url, team_id)
    # It does without the teams that others have begun since: two that have each begun what the other one has planned
    # would keep each other from going on for ever.
    teams, other = [], None
    for team_id in word.teams:
        held = holder(store, word.base_url, team_id, alive, but=word.run, begun=known)
        if held is None:
            teams.append(team_id)
        else:
            other = other or held
    if other is not None and not (known and teams):
        return other
    before = record or ended(word.run, store)
    # One is begun at once, the same for all who come with the same teams: of them only the first may go on.
    first = min(teams, default=None)
    for team_id in word.teams:
        store.put(word.run, word.base_url, team_id, begun=old.get(team_id, False) or team_id == first)
    record = RunRecord(
        run=word.run,
        base_url=word.base_url,
        journal=word.journal,
        command=word.command or (record.command if record else None),
        who=word.who,
        since=word.since,
        number=(before.number if before else 0) + 1,
        journal_number=before.journal_number if before else None,
        used=record.used if record else False,
    )
    store.keep(record)
    return Given(number=record.number, journal_number=record.journal_number, gone_on=before is not None)


def _begin(word: TeamBegun, record: RunRecord, store: ClaimStore, alive: Alive) -> Answer:
    # A run that is alive does not give way to what another one, killed meanwhile, has only planned.
    other = holder(store, record.base_url, word.team_id, alive, but=word.run, begun=True)
    if other is not None:
        return other
    store.put(word.run, record.base_url, word.team_id, begun=True)
    if record.kept_team is not None:
        if record.kept_team != word.team_id:
            store.remove(word.run, record.base_url, record.kept_team)
        record.kept_team = None
        store.keep(record)
    last = store.record(last_work(record.base_url, word.team_id))
    return Given(
        number=record.number,
        journal_number=record.journal_number,
        gone_on=True,
        worked_until=None if last is None or last.who == word.run else last.since,
    )


def _done(word: TeamDone, record: RunRecord, store: ClaimStore) -> None:
    """Let go of a team, but never of the last begun one while others are planned.

    Whoever begins the same run anew between two teams would find none of them begun.
    """
    note_work(record, word.team_id, word.changed_until, store)
    teams = store.teams_of(word.run)
    others = {team_id: begun for team_id, begun in teams.items() if team_id != word.team_id}
    if others and not any(others.values()):
        record.kept_team = word.team_id
        store.keep(record)
    else:
        store.remove(word.run, record.base_url, word.team_id)


def _finish(word: Finished, record: RunRecord, store: ClaimStore) -> None:
    for team_id, begun in store.teams_of(word.run).items():
        if begun:
            note_work(record, team_id, word.at, store)
    store.drop(word.run)
    note_end(record, word.at, store)


def _abandon(record: RunRecord | None, store: ClaimStore, alive: Alive) -> Answer:
    """Keep of a run that was given up only that it was."""
    if record is None:
        return Given(number=0)
    if alive(record.run):
        return shown(record, store, alive)
    for team_id in tuple(store.teams_of(record.run)):
        store.remove(record.run, record.base_url, team_id)
    record.abandoned = True
    record.number += 1
    store.keep(record)
    return Given(number=record.number, journal_number=record.journal_number, gone_on=True)
