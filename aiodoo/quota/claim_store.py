"""Where the claims of runs are kept: what a ledger has to offer for them, and the claims of one process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import attrs
import msgspec


class RunRecord(msgspec.Struct, kw_only=True):
    """What a ledger keeps of a run.

    Attributes:
        number: how often it was begun or taken up; the last who did so may speak for it.
        journal_number: that of the last commit in its journal, as far as it has said so.
        used: whether it has ever asked for a slot.
        abandoned: whether a person has given it up.
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
    """Where claims are kept."""

    def record(self, run: str) -> RunRecord | None:
        """Return what is kept of a run."""

    def records(self) -> Collection[RunRecord]:
        """Return what is kept of all runs."""
        ...

    def keep(self, record: RunRecord) -> None:
        """Keep a run, in place of what was kept of it."""

    def drop(self, run: str) -> None:
        """Forget a run and its teams."""

    def runs_of(self, base_url: str, team_id: str) -> Mapping[str, bool]:
        """Return the runs that claim a team, and whether each has begun it."""
        ...

    def teams_of(self, run: str) -> Mapping[str, bool]:
        """Return the teams that a run claims, and whether each is begun."""
        ...

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Claim a team."""

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Let go of a team."""


@attrs.define
class MemoryClaims:
    """Claims kept in memory; a `ClaimStore`."""

    _records: dict[str, RunRecord] = attrs.field(factory=dict, init=False)
    _teams: dict[str, dict[str, bool]] = attrs.field(factory=dict, init=False)
    _runs: dict[tuple[str, str], dict[str, bool]] = attrs.field(factory=dict, init=False)

    def record(self, run: str) -> RunRecord | None:
        """Return what is kept of a run."""
        return self._records.get(run)

    def records(self) -> Collection[RunRecord]:
        """Return what is kept of all runs."""
        return list(self._records.values())

    def keep(self, record: RunRecord) -> None:
        """Keep a run."""
        self._records[record.run] = record

    def drop(self, run: str) -> None:
        """Forget a run and its teams."""
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

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Claim a team."""
        self._teams.setdefault(run, {})[team_id] = begun
        self._runs.setdefault((base_url, team_id), {})[run] = begun

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Let go of a team."""
        self._teams.get(run, {}).pop(team_id, None)
        runs = self._runs.get((base_url, team_id), {})
        runs.pop(run, None)
        if not runs:
            self._runs.pop((base_url, team_id), None)
