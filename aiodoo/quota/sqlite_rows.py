"""The rows of the ledger's database: records, the requests of the day, and claims, with checksums.

SQLite detects damage only to its own structure, and a file whose rollback journal was removed after a kill is a mixture
of two states with valid rows. So each row has a checksum, and the head has the checksums of all accounts' records, which
tell the rows of their days, and a combined one of all claims.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import attrs
import msgspec

from aiodoo.errors import ConfigError
from aiodoo.quota.account_record import AccountRecord
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claim_store import RunRecord
from aiodoo.quota.day_window import DayWindow
from aiodoo.quota.file_time import FileTime
from aiodoo.quota.limits import Limits

R = TypeVar("R")

APPLICATION = 0x61646F6F
"""The application id of a ledger: "adoo"."""
VERSION = 2
HEAD = "head"
SCHEMA = (
    f"PRAGMA application_id = {APPLICATION}",
    "CREATE TABLE record (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER NOT NULL)",
    """CREATE TABLE day (
        account TEXT NOT NULL, number INTEGER NOT NULL, until REAL NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (account, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE claim (
        base_url TEXT NOT NULL, team TEXT NOT NULL, run TEXT NOT NULL, begun INTEGER NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (base_url, team, run)
    ) WITHOUT ROWID""",
    "CREATE INDEX claim_of_run ON claim (run)",
    f"PRAGMA user_version = {VERSION}",
)
ROWS_PER_QUERY = 256


class Damaged(Exception):
    """A row is missing or not as it was written."""


@attrs.define
class Head:
    """The record of the whole file. The fields are part of its format.

    Attributes:
        time: the time of the file.
        accounts: the checksum of each account's record.
        claims: the combined checksum of all runs and claims.
        spent_until: until when (in the time of the file) new accounts may send nothing, as an earlier file was lost.
        spent_for: the accounts that this concerns; None for all, as those of the earlier file are not known.
    """

    time: FileTime
    accounts: dict[str, int] = attrs.field(factory=dict)
    claims: int = 0
    spent_until: float | None = None
    spent_for: list[str] | None = None


def read_head(database: sqlite3.Connection, boot: str, monotonic: float, wall: float) -> Head:
    """Return the head, or a new one for a new file, whose time begins at the monotonic clock."""
    head = _read(database, HEAD, Head)
    if head is not None:
        return head
    if database.execute("SELECT count(*) FROM record").fetchone() != (0,):
        raise Damaged
    return Head(FileTime(boot, monotonic, wall, monotonic))


def write_head(database: sqlite3.Connection, head: Head) -> None:
    """Write the head, at the end of each transaction."""
    _write(database, HEAD, head)


def read_account(
    database: sqlite3.Connection, account: str, limits: Limits, head: Head, now: float
) -> tuple[AccountState, Limits]:
    """Return the state of an account without requests that no longer count, or a new one, and its limits so far."""
    content, crc = _row(database, _name(account))
    if crc != head.accounts.get(account):
        raise Damaged
    if content is None:
        return _new_account(account, limits, head, now), limits
    record = msgspec.msgpack.decode(content, type=AccountRecord)
    lifted = record.reset_until if head.spent_until is None else None
    for number, until in _day(database, account, record.first, record.after):
        if until > now and (lifted is None or until > lifted):
            break
        record.first = number + 1
    if lifted is not None or (record.reset_until is not None and record.reset_until <= now):
        record.reset_until = None
    return record.state(limits), record.limits


def known_accounts(database: sqlite3.Connection) -> list[str] | None:
    """Return the accounts of a damaged file; None if they are not known for certain.

    Raises:
        Damaged, sqlite3.Error, msgspec.MsgspecError, UnicodeError: they cannot be read.
    """
    head = _read(database, HEAD, Head)
    if head is None or head.spent_until is not None:
        return None
    rows = {name for (name,) in database.execute("SELECT name FROM record WHERE name LIKE 'account %'")}
    return list(head.accounts) if rows == {_name(account) for account in head.accounts} else None


def _new_account(account: str, limits: Limits, head: Head, now: float) -> AccountState:
    """Return the state of a new account; its day is spent if an earlier file was lost."""
    state = AccountState(limits=limits, asked_at=now)
    concerned = head.spent_for is None or account in head.spent_for
    if head.spent_until is not None and head.spent_until > now and concerned:
        state.reset_until = None if limits.per_day is None else head.spent_until
        for _ in range(limits.per_day or 0):
            state.day.count(head.spent_until)
    return state


def write_account(database: sqlite3.Connection, account: str, head: Head, state: AccountState) -> None:
    """Write the state of an account: a row for each request that counts since, and none for those that no longer do."""
    day, fresh = state.day, state.day.ends
    database.execute("DELETE FROM day WHERE account = ? AND number < ?", (account, day.first))
    database.executemany(
        "INSERT INTO day VALUES (?, ?, ?, ?)",
        [
            (account, number, until, _seal(account, number, until))
            for number, until in enumerate(fresh, day.after - len(fresh))
        ],
    )
    fresh.clear()
    head.accounts[account] = _write(database, _name(account), AccountRecord.of(state))


def day_since(database: sqlite3.Connection, account: str, day: DayWindow, number: int) -> list[float]:
    """Return until when the requests from a number on count."""
    return [until for _, until in _day(database, account, max(number, day.first), day.after)]


def check_all(database: sqlite3.Connection) -> None:
    """Check all rows against their checksums.

    Raises:
        Damaged: a row is missing or not as it was written.
    """
    head = _read(database, HEAD, Head)
    rows = database.execute("SELECT count(*) FROM record").fetchone()[0]
    if head is None:
        if rows:
            raise Damaged
        return
    counted = 0
    for account, seal in head.accounts.items():
        content, crc = _row(database, _name(account))
        if content is None or crc != seal:
            raise Damaged
        record = msgspec.msgpack.decode(content, type=AccountRecord)
        counted += sum(1 for _ in _day(database, account, record.first, record.after))
    store = ClaimRows(database, Head(head.time))
    runs = store.records()
    total = 0
    for run in runs:
        total ^= _row(database, _run(run.run))[1] or 0
        for team_id, begun in store.teams_of(run.run).items():
            total ^= _seal(run.base_url, team_id, run.run, int(begun))
    known = 1 + len(head.accounts) + len(runs)
    if total != head.claims or rows != known or counted != _count(database, "day"):
        raise Damaged


@attrs.define
class ClaimRows:
    """A `ClaimStore` in the file, for one transaction."""

    _database: sqlite3.Connection
    _head: Head

    def record(self, run: str) -> RunRecord | None:
        """Return the record of a run."""
        return _read(self._database, _run(run), RunRecord)

    def records(self) -> Collection[RunRecord]:
        """Return the records of all runs."""
        names = self._database.execute("SELECT name FROM record WHERE name LIKE 'run %'").fetchall()
        found = [_read(self._database, name, RunRecord) for (name,) in names]
        return [record for record in found if record is not None]

    def keep(self, record: RunRecord) -> None:
        """Store the record of a run."""
        _check_readable(record)
        self._head.claims ^= _row(self._database, _run(record.run))[1] or 0
        self._head.claims ^= _write(self._database, _run(record.run), record)

    def drop(self, run: str) -> None:
        """Delete the record of a run and its claims."""
        record = self.record(run)
        if record is None:
            return
        for team_id in tuple(self.teams_of(run)):
            self.remove(run, record.base_url, team_id)
        self._head.claims ^= _row(self._database, _run(run))[1] or 0
        self._database.execute("DELETE FROM record WHERE name = ?", (_run(run),))

    def runs_of(self, base_url: str, team_id: str) -> Mapping[str, bool]:
        """Return the runs that claim a team."""
        return {run: begun for _, _, run, begun in self._rows("base_url = ? AND team = ?", base_url, team_id)}

    def teams_of(self, run: str) -> Mapping[str, bool]:
        """Return the teams that a run claims."""
        return {team_id: begun for _, team_id, _, begun in self._rows("run = ?", run)}

    def has_begun_another(self, run: str, team_id: str) -> bool | None:
        """Return whether a run has begun another team."""
        found = self._rows("run = ? AND team <> ? ORDER BY begun DESC LIMIT 1", run, team_id)
        return next((begun for *_, begun in found), None)

    def put(self, run: str, base_url: str, team_id: str, *, begun: bool) -> None:
        """Store a claim on a team."""
        self.remove(run, base_url, team_id)
        crc = _seal(base_url, team_id, run, int(begun))
        self._head.claims ^= crc
        self._database.execute(
            "INSERT INTO claim VALUES (?, ?, ?, ?, ?)", (base_url, team_id, run, int(begun), crc)
        )

    def remove(self, run: str, base_url: str, team_id: str) -> None:
        """Delete a claim on a team."""
        key = (base_url, team_id, run)
        where = "base_url = ? AND team = ? AND run = ?"
        for found in self._rows(where, *key):
            self._head.claims ^= _seal(found[0], found[1], found[2], int(found[3]))
        self._database.execute(f"DELETE FROM claim WHERE {where}", key)  # noqa: S608  # our own words

    def _rows(self, where: str, *values: str) -> Iterator[tuple[str, str, str, bool]]:
        found = self._database.execute(
            f"SELECT base_url, team, run, begun, crc FROM claim WHERE {where}",  # noqa: S608  # our own words
            values,
        ).fetchall()
        for base_url, team_id, run, begun, crc in found:
            if _seal(base_url, team_id, run, begun) != crc:
                raise Damaged
            yield base_url, team_id, run, bool(begun)


@attrs.define
class _Version1:
    """The field of an account's record that only version 1 has."""

    ends: list[float] = attrs.field(factory=list)


def take_over(database: sqlite3.Connection) -> None:
    """Convert a ledger of version 1 to the current one, within a transaction."""
    time = _read(database, "time", FileTime)
    names = [name for (name,) in database.execute("SELECT name FROM record WHERE name LIKE 'account %'")]
    if time is None and (names or _count(database, "record")):
        raise Damaged
    for statement in SCHEMA[2:]:
        database.execute(statement)
    if time is None:
        return
    head = Head(time)
    for name in names:
        content, _ = _row(database, name)
        record = msgspec.msgpack.decode(content or b"", type=AccountRecord)
        state = record.state(record.limits)
        for until in sorted(msgspec.msgpack.decode(content or b"", type=_Version1).ends):
            state.day.count(until)
        write_account(database, name.removeprefix("account "), head, state)
    database.execute("DELETE FROM record WHERE name = 'time'")
    write_head(database, head)


def _day(database: sqlite3.Connection, account: str, first: int, after: int) -> Iterator[tuple[int, float]]:
    """Yield the rows of a day, the oldest first, with several queries: of one row, then of twice as many each time."""
    limit = 1
    while first < after:
        rows = database.execute(
            "SELECT number, until, crc FROM day WHERE account = ? AND number >= ? ORDER BY number LIMIT ?",
            (account, first, min(limit, after - first)),
        ).fetchall()
        limit = min(2 * limit, ROWS_PER_QUERY)
        for expected, (number, until, crc) in enumerate(rows, first):
            if number != expected or _seal(account, number, until) != crc:
                raise Damaged
            yield number, until
        if not rows:
            raise Damaged
        first += len(rows)


def _name(account: str) -> str:
    return f"account {account}"


def _run(run: str) -> str:
    return f"run {run}"


def _count(database: sqlite3.Connection, table: str) -> int:
    (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # our own words
    return int(count)


def _row(database: sqlite3.Connection, name: str) -> tuple[bytes | None, int | None]:
    row = database.execute("SELECT content, crc FROM record WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None, None
    content, crc = row
    if not isinstance(content, bytes) or zlib.crc32(content) != crc:
        raise Damaged
    return content, crc


def _read(database: sqlite3.Connection, name: str, kind: type[R]) -> R | None:
    content, _ = _row(database, name)
    return None if content is None else msgspec.msgpack.decode(content, type=kind)


def _write(database: sqlite3.Connection, name: str, record: object) -> int:
    content = msgspec.msgpack.encode(record)
    crc = zlib.crc32(content)
    database.execute(
        "INSERT INTO record VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET content = excluded.content, crc = excluded.crc",
        (name, content, crc),
    )
    return crc


def _check_readable(record: RunRecord) -> None:
    """Raise ConfigError for a record that could not be read again, which would damage the ledger."""
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=RunRecord)
    except (msgspec.MsgspecError, UnicodeError, TypeError):
        pass
    else:
        return
    raise ConfigError(
        "the quota ledger cannot keep what the run is called, who began it or where its journal is; nothing was sent"
    )


def _seal(*values: object) -> int:
    return zlib.crc32(repr(values).encode())
