"""A copy of the claims on a Redis or Valkey server, as far as the rules need them: what they change is noted as commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.quota.claim_store import RunRecord
from aiodoo.quota.redis_server import Server

Command = tuple[bytes | str | float, ...]
Want = tuple[str, ...]
"""What a rule reads: ("record", RUN), ("team", BASE_URL, TEAM), ("teams", RUN) or ("all",)."""

_KEY = "aiodoo:{claims}:"
VERSION, RUNS, FENCES, NOTED, TEAMS = (
    f"{_KEY}{name}" for name in ("version", "runs", "fences", "noted", "teams")
)
"""The random version of all claims; of each run its record, its fencing number, which is - once it was abandoned, and the
last number of its journal once it has asked for a slot; of each team the runs that claim it."""


def teams_key(run: str) -> str:
    """Return the name of the hash of a run's teams, with whether each is begun."""
    return f"{_KEY}teams:{run}"


def lease_key(run: str) -> str:
    """Return the name of a run's lease, which is there while the run is alive."""
    return f"{_KEY}alive:{run}"


class Unread(Exception):
    """A rule needs something that has not been read."""

    def __init__(self, *wants: Want) -> None:
        super().__init__(wants)
        self.wants = wants


@attrs.define
class Read:
    """What has been read of the server, since `version` was current."""

    version: bytes | None = None
    whole: bool = False
    """Whether all records were read."""
    records: dict[str, tuple[bytes | None, bytes | None]] = attrs.field(factory=dict)
    """The record of each run, and the noted number of its journal."""
    leases: dict[str, bool] = attrs.field(factory=dict)
    teams: dict[tuple[str, str], bytes | None] = attrs.field(factory=dict)
    of_runs: dict[str, dict[bytes, bytes]] = attrs.field(factory=dict)

    async def more(self, server: Server, clock: Clock, wants: Iterable[Want]) -> None:
        """Read more, in one round trip; the version first.

        Raises:
            QuotaUnavailable, ConfigError: as for `Server.run`.
        """
        wants = list(dict.fromkeys(wants))
        records = [want[1] for want in wants if want[0] == "record"]
        teams = [(want[1], want[2]) for want in wants if want[0] == "team"]
        runs = [want[1] for want in wants if want[0] == "teams"]
        commands: list[Command] = [("GET", VERSION)]
        for run in records:
            commands += [("HGET", RUNS, run), ("HGET", NOTED, run), ("EXISTS", lease_key(run))]
        commands += [("HGETALL", teams_key(run)) for run in runs]
        if teams:
            commands.append(("HMGET", TEAMS, *(_field(*team) for team in teams)))
        if ("all",) in wants:
            commands += [("HGETALL", RUNS), ("HGETALL", NOTED)]
        answers = iter(await server.read(clock, commands))
        version = next(answers) or b""
        self.version = version if self.version is None else self.version
        for run in records:
            self.records[run] = next(answers), next(answers)
            self.leases[run] = bool(next(answers))
        for run in runs:
            self.of_runs[run] = pairs(next(answers))
        if teams:
            self.teams.update(zip(teams, next(answers), strict=True))
        if ("all",) in wants:
            found, noted = pairs(next(answers)), pairs(next(answers))
            self.records = {run.decode(): (content, noted.get(run)) for run, content in found.items()}
            self.whole = True


@attrs.define
class Copy:
    """A `ClaimStore` over what has been read; raises `Unread` for anything else."""

    _read: Read
    commands: list[Command] = attrs.field(factory=list, init=False)
    """What changes the server in the same way."""
    _records: dict[str, RunRecord | None] = attrs.field(factory=dict, init=False)
    _runs: dict[tuple[str, str], dict[str, bool]] = attrs.field(factory=dict, init=False)
    _teams: dict[str, dict[str, bool]] = attrs.field(factory=dict, init=False)

    def alive(self, run: str) -> bool:
        """Return whether a run is alive."""
        if run not in self._read.leases:
            raise Unread(("record", run))
        return self._read.leases[run]

    def record(self, run: str) -> RunRecord | None:
        """Return the record of a run."""
        if run not in self._records:
            if run not in self._read.records and not self._read.whole:
                raise Unread(("record", run))
            self._records[run] = _record(*self._read.records.get(run, (None, None)))
        return self._records[run]

    def records(self) -> Collection[RunRecord]:
        """Return the records of all runs."""
        if not self._read.whole:
            raise Unread(("all",))
        found = [self.record(run) for run in {*self._read.records, *self._records}]
        return [record for record in found if record is not None]

    def keep(self, record: RunRecord) -> None:
        """Store the record of a run."""
        run = record.run
        self._records[run] = record
        noted = "" if record.journal_number is None else record.journal_number
        self.commands += [
            ("HSET", RUNS, run, msgspec.msgpack.encode(record)),
            ("HSET", FENCES, run, "-" if record.abandoned else record.number),
            ("HSET", NOTED, run, noted) if record.used else ("HDEL", NOTED, run),
        ]

    def drop(self, run: str) -> None:
        """Delete the record of a run and its claims."""
        record = self.record(run)
        if record is None:
            return
        teams = tuple(self.teams_of(run))
        self._need((record.base_url, team_id) for team_id in teams)
        for team_id in teams:
            self.remove(run, record.base_url, team_id)
        self._records[run] = None
        self.commands += [("HDEL", name, run) for name in (RUNS, FENCES, NOTED)]

    def runs_of(self, base_url: str, team_id: str) -> Mapping[str, bool]:
        """Return the runs that claim a team."""
        return self._claims(base_url, team_id)

    def teams_of(self, run: str) -> Mapping[str, bool]:
        """Return the teams that a run claims."""
        return self._claimed(run)

    def has_begun_another(self, run: str, team_id: str) -> bool | None:
        """Return whether a run has begun another team."""
        others = [begun for other, begun in self.teams_of(run).items() if other != team_id]
        return any(others) if others else None

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Store a claim on a team."""
        runs = self._claims(base_url, team_id)
        if run in self._teams or run in self._read.of_runs:
            self._claimed(run)[team_id] = begun
        runs[run] = begun
        self.commands.append(("HSET", teams_key(run), team_id, int(begun)))
        self._write(base_url, team_id, runs)

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Delete a claim on a team."""
        runs = self._claims(base_url, team_id)
        if run in self._teams or run in self._read.of_runs:
            self._claimed(run).pop(team_id, None)
        runs.pop(run, None)
        self.commands.append(("HDEL", teams_key(run), team_id))
        self._write(base_url, team_id, runs)

    def _write(self, base_url: str, team_id: str, runs: dict[str, bool]) -> None:
        field = _field(base_url, team_id)
        content = msgspec.msgpack.encode(runs)
        self.commands.append(("HSET", TEAMS, field, content) if runs else ("HDEL", TEAMS, field))

    def _need(self, teams: Iterable[tuple[str, str]]) -> None:
        unread = [team for team in teams if team not in self._read.teams]
        if unread:
            raise Unread(*(("team", *team) for team in unread))

    def _claims(self, base_url: str, team_id: str) -> dict[str, bool]:
        team = base_url, team_id
        if team not in self._runs:
            self._need([team])
            content = self._read.teams[team]
            self._runs[team] = msgspec.msgpack.decode(content, type=dict[str, bool]) if content else {}
        return self._runs[team]

    def _claimed(self, run: str) -> dict[str, bool]:
        if run not in self._teams:
            if run not in self._read.of_runs:
                raise Unread(("teams", run))
            self._teams[run] = {
                team.decode(): begun == b"1" for team, begun in self._read.of_runs[run].items()
            }
        return self._teams[run]


def pairs(answer: Any) -> dict[bytes, bytes]:
    """Return the fields of a hash; the second protocol returns them as a flat list."""
    return dict(answer) if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))


def _field(base_url: str, team_id: str) -> str:
    return f"{base_url}\n{team_id}"


def _record(content: bytes | None, noted: bytes | None) -> RunRecord | None:
    if content is None:
        return None
    record = msgspec.msgpack.decode(content, type=RunRecord)
    if noted is not None:
        record.used, record.journal_number = True, int(noted) if noted else None
    return record
