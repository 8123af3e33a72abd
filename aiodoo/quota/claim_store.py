"""The interface of stores for the claims of runs, and a store in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import attrs
import msgspec


class RunRecord(msgspec.Struct, kw_only=True):
    """What a ledger stores about a run.

    Attributes:
        number: the fencing number, which increases each time the run is started or resumed.
        journal_number: the number of the last commit in its journal that it has reported.
        used: whether it has ever asked for a slot.
        abandoned: whether it was abandoned.
        kept_team: a team that is done, and still claimed until the run begins another one.
    """

    run: str
    base_url: str
    journal: str | None
    command: str | None
    who: str
    since: datetime
    number: int = 0
    journal_number: int | None = None
    used: bool = False
    abandoned: bool = False
    kept_team: str | None = None


class ClaimStore(Protocol):
    """Stores the claims of runs on teams."""

    def record(self, run: str) -> RunRecord | None:
        """Return the record of a run; None if there is none."""

    def records(self) -> Collection[RunRecord]:
        """Return the records of all runs."""
        ...

    def keep(self, record: RunRecord) -> None:
        """Store the record of a run, in place of an earlier one."""

    def drop(self, run: str) -> None:
        """Delete the record of a run and its claims."""

    def runs_of(self, base_url: str, team_id: str) -> Mapping[str, bool]:
        """Return the runs that claim a team, with whether each has begun it."""
        ...

    def teams_of(self, run: str) -> Mapping[str, bool]:
        """Return the teams that a run claims, with whether each is begun."""
        ...

    def has_begun_another(self, run: str, team_id: str) -> bool | None:
        """Return whether a run has begun another team than this one; None if it claims no other."""
        ...

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Store a claim on a team, in place of an earlier one of the run."""

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Delete a claim on a team, if there is one."""


@attrs.define(repr=False)
class MemoryClaims:
    """A `ClaimStore` in memory."""

    _records: dict[str, RunRecord] = attrs.field(factory=dict, init=False)
    _teams: dict[str, dict[str, bool]] = attrs.field(factory=dict, init=False)
    _runs: dict[tuple[str, str], dict[str, bool]] = attrs.field(factory=dict, init=False)

    def record(self, run: str) -> RunRecord | None:
        """Return the record of a run."""
        return self._records.get(run)

    def records(self) -> Collection[RunRecord]:
        """Return the records of all runs."""
        return list(self._records.values())

    def keep(self, record: RunRecord) -> None:
        """Store the record of a run."""
        self._records[record.run] = record

    def drop(self, run: str) -> None:
        """Delete the record of a run and its claims."""
        record = self._records.pop(run)
        for team_id in tuple(self._teams.get(run, ())):
            self.remove(run, record.base_url, team_id)
        self._teams.pop(run, None)

    def runs_of(self, base_url: str, team_id: str) -> Mapping[str, bool]:
        """Return the runs that claim a team."""
        return self._runs.get((base_url, team_id), {})

    def teams_of(self, run: str) -> Mapping[str, bool]:
        """Return the teams that a run claims."""
        return self._teams.get(run, {})

    def has_begun_another(self, run: str, team_id: str) -> bool | None:
        """Return whether a run has begun another team."""
        teams = self._teams.get(run, {})
        if len(teams) - (team_id in teams) == 0:
            return None
        # Those that are begun come first, as a run releases a team when it is done.
        return any(begun and other != team_id for other, begun in teams.items())

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Store a claim on a team."""
        self._teams.setdefault(run, {})[team_id] = begun
        self._runs.setdefault((base_url, team_id), {})[run] = begun

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Delete a claim on a team."""
        self._teams.get(run, {}).pop(team_id, None)
        runs = self._runs.get((base_url, team_id), {})
        runs.pop(run, None)
        if not runs:
            self._runs.pop((base_url, team_id), None)
