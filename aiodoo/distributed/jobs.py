"""Jobs: the operations of a campaign in one team, as plain JSON."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import attrs

from aiodoo.bulk.journal import SharedJournal
from aiodoo.checks import check_id
from aiodoo.errors import ConfigError
from aiodoo.models.secret_fields import field_of, find_secrets
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update, from_dict
from aiodoo.operations.secret_encoding import is_listed
from aiodoo.plain.document import Form, document, fitted, read_document

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_SPOOL = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
BEGIN;
CREATE TABLE teams (place INTEGER PRIMARY KEY, id TEXT UNIQUE);
CREATE TABLE operations (place INTEGER PRIMARY KEY, team TEXT, line TEXT);
CREATE INDEX of_team ON operations (team, place);
"""
_BY_TEAM = """
SELECT teams.id, operations.place, line FROM teams CROSS JOIN operations ON operations.team = teams.id
ORDER BY teams.place, operations.place
"""


class _JobForm(Form):
    campaign: str
    tenant: str | None
    team: str
    places: list[int]
    operations: list[dict[str, Any]]


@attrs.frozen(kw_only=True)
class Job:
    """The operations of a campaign in one team.

    Attributes:
        campaign: the name of all jobs that were submitted together.
        team_id: the team.
        operations: its operations as plain JSON, in order.
        places: the places of these operations in the campaign's input, from 0.
        tenant: the name of the session that carries it out, where a worker has several; else None.
    """

    campaign: str
    team_id: str
    operations: tuple[dict[str, Any], ...] = attrs.field(repr=False)
    places: tuple[int, ...] = attrs.field(repr=False)
    tenant: str | None = None

    @property
    def key(self) -> str:
        """What tells it from the other jobs of its campaign; safe as the name of a file."""
        return "+".join(quote(part, safe="") for part in (self.tenant, self.team_id) if part is not None)

    def journal(self, journals: Path | SharedJournal) -> Path | SharedJournal:
        """Return its journal in a folder, or on a server, that all workers share."""
        return journals / self.campaign / (f"{self.key}.journal" if isinstance(journals, Path) else self.key)

    def read(self) -> list[Operation]:
        """Return its operations; their secrets are read from their sources when they are first needed.

        Raises:
            ConfigError: one of them does not fit.
        """
        return [from_dict(each) for each in self.operations]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, such as an engine can store."""
        return document(
            {
                "campaign": self.campaign,
                "tenant": self.tenant,
                "team": self.team_id,
                "places": [*self.places],
                "operations": [*self.operations],
            }
        )

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_dict` has written.

        Raises:
            ConfigError: it does not fit; says where, and shows no value.
        """
        form: _JobForm = read_document(mapping, "a job", lambda data: fitted(data, _JobForm))
        return cls(
            campaign=check_campaign(form.campaign),
            team_id=check_id(form.team, "team id"),
            operations=tuple(form.operations),
            places=tuple(form.places),
            tenant=form.tenant,
        )


def check_campaign(name: str) -> str:
    """Return a valid name of a campaign.

    Raises:
        ConfigError: it is not 1 to 64 of the characters `A-Z a-z 0-9 . _ -`, with a letter or digit first.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigError(
            "the name of a campaign must be 1 to 64 of the characters A-Z a-z 0-9 . _ -, with a letter or digit first; "
            "nothing was submitted"
        )
    return name


def check_same(job: Job, *, same: bool) -> None:
    """Refuse a job whose key a campaign has already.

    Raises:
        ConfigError: the one that was submitted before is not the same.
    """
    if not same:
        raise ConfigError(
            f"the campaign {job.campaign} has other operations for team {job.team_id}, which were submitted before and stay; "
            "these were not submitted. Name another campaign"
        )


def split(operations: Iterable[Operation], *, campaign: str, tenant: str | None = None) -> Iterator[Job]:
    """Return one job for each team, in the order in which the operations first name the teams.

    All operations are read and checked before this returns, so that nothing is submitted if one is refused. They are
    kept in a temporary database, without secrets, so memory does not grow with them. Blocks while it reads; sends
    nothing.

    Args:
        operations: the operations, in any order over any teams.
        campaign: a name for all of them. The same name with the same operations is the same work, which is done once.
        tenant: the name of the session that carries them out, where workers have several.

    Raises:
        ConfigError: something is no operation, or has a secret that was given as a bare value or copied from a list.
            Engines store jobs in clear, so secrets must come from `Secret.from_env` or `Secret.from_file`.
    """
    check_campaign(campaign)
    # With an empty name SQLite keeps a database in a temporary file that nobody else sees. Another thread may read it.
    spool = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        spool.executescript(_SPOOL)
        for place, operation in enumerate(operations):
            line = json.dumps(_plain(operation, place), separators=(",", ":"))
            spool.execute("INSERT OR IGNORE INTO teams (id) VALUES (?)", (operation.team_id,))
            spool.execute("INSERT INTO operations VALUES (?, ?, ?)", (place, operation.team_id, line))
    except BaseException:  # an interrupt too: nobody else closes the file
        spool.close()
        raise
    return _jobs(spool, campaign, tenant)


def _jobs(spool: sqlite3.Connection, campaign: str, tenant: str | None) -> Iterator[Job]:
    with closing(spool):
        for team_id, found in groupby(spool.execute(_BY_TEAM), key=itemgetter(0)):
            rows = [*found]
            yield Job(
                campaign=campaign,
                team_id=team_id,
                operations=tuple(json.loads(line) for _, _, line in rows),
                places=tuple(place for _, place, _ in rows),
                tenant=tenant,
            )


def _plain(operation: Operation, place: int) -> dict[str, Any]:
    """Return an operation as plain JSON without a secret."""
    if not isinstance(operation, Create | Ensure | Update | Replace | Delete):
        raise ConfigError(f"operation {place} is a {type(operation).__name__}; nothing was submitted")
    for path, secret in find_secrets(operation).items():
        if is_listed(secret.source):
            raise ConfigError(
                f"operation {place}, in team {operation.team_id}: the secret {field_of(path[1:])} was copied from a list, and "
                "another machine does not have it; nothing was submitted. Take it from Secret.from_env or Secret.from_file"
            )
    try:
        return operation.to_dict(secrets="refuse")
    except ConfigError as error:
        raise ConfigError(f"operation {place}: {error}; nothing was submitted") from None
