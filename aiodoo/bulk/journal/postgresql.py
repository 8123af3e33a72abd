"""Journals in PostgreSQL."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from aiodoo.bulk.journal.server import Away, Held, Key, Refused
from aiodoo.bulk.journal.shared import SharedJournal
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    import psycopg

CONNECT = 5
"""Seconds that a connection may take to be made."""

ANSWER = 10
"""Seconds that one statement may take."""

SILENT = 15
"""Seconds after which a connection on which a statement or two have no answer is cut off."""

SILENT_WITH_ALL = 300
"""The same for all lines of a journal."""

_PREPARE = f"""
SELECT set_config('statement_timeout', '{ANSWER}s', false), set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""
_TABLES = """
SELECT pg_advisory_xact_lock(hashtext('aiodoo_journals'));
CREATE TABLE IF NOT EXISTS aiodoo_journals (
    name text PRIMARY KEY, run text NOT NULL, number bigint NOT NULL, fence bigint NOT NULL, holder text NOT NULL,
    held_until timestamptz NOT NULL, begun timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS aiodoo_journal_lines (
    name text REFERENCES aiodoo_journals ON DELETE CASCADE, number bigint, line bytea NOT NULL, PRIMARY KEY (name, number));
"""
_TAKE = """
UPDATE aiodoo_journals
SET fence = fence + 1, holder = %(holder)s, held_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE name = %(name)s AND (held_until < clock_timestamp() OR holder = %(holder)s) RETURNING fence
"""
_HOLDER = "SELECT holder, held_until >= clock_timestamp() FROM aiodoo_journals WHERE name = %(name)s"
_BEGIN = """
INSERT INTO aiodoo_journals (name, run, number, fence, holder, held_until)
VALUES (%(name)s, %(run)s, %(number)s, 1, %(holder)s, clock_timestamp() + %(lease)s * interval '1 second')
ON CONFLICT (name) DO NOTHING RETURNING 1
"""
_RUN = "SELECT run FROM aiodoo_journals WHERE name = %(name)s"
_FIRST = "INSERT INTO aiodoo_journal_lines (name, number, line) VALUES (%s, %s, %s)"
_APPEND = """
WITH held AS (
    UPDATE aiodoo_journals
    SET number = %(number)s, held_until = clock_timestamp() + %(lease)s * interval '1 second'
    WHERE name = %(name)s AND fence = %(fence)s AND number = %(number)s - 1 RETURNING name)
INSERT INTO aiodoo_journal_lines (name, number, line) SELECT name, %(number)s, %(line)s FROM held RETURNING 1
"""
_WRITTEN = """
SELECT fence = %(fence)s, line = %(line)s FROM aiodoo_journals LEFT JOIN aiodoo_journal_lines AS lines
ON lines.name = aiodoo_journals.name AND lines.number = %(number)s WHERE aiodoo_journals.name = %(name)s
"""
_RENEW = """
UPDATE aiodoo_journals SET held_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE name = %(name)s AND fence = %(fence)s
"""
_FREE = "UPDATE aiodoo_journals SET held_until = '-infinity' WHERE name = %(name)s AND fence = %(fence)s"
_READ = "SELECT line FROM aiodoo_journal_lines WHERE name = %(name)s ORDER BY number"
_BEGUN = "SELECT name, extract(epoch FROM begun)::float8 FROM aiodoo_journals"
_DELETE = "DELETE FROM aiodoo_journals WHERE name = %(name)s AND held_until < clock_timestamp()"


@attrs.frozen(str=False)
class PostgreSQL(SharedJournal):
    """A journal in a PostgreSQL database, whose tables are created when they are first needed.

    `PostgreSQL(url) / "move"` is the journal `move`; `PostgreSQL(url)` stands for all of them, where a folder would.
    Needs the extra `postgresql`. Costs no request.

    Args:
        url: the connection string of the database.
        name: the name of the journal.
        patience: seconds to wait for a server that is away, before a run stops.
        lease: seconds after which the journal of a killed or frozen process can be opened by another one.

    Raises:
        ConfigError: the URL or the name is invalid, or psycopg is not installed.
    """

    def _shown_url(self) -> str:
        return shown_database(self.url, "the journals", "journals.PostgreSQL")

    def _server(self) -> _Database:
        return _Database(self.url)


def shown_database(url: str, what: str, user: str) -> str:
    """Return the checked URL of `what`, without user, password and options.

    Raises:
        ConfigError: it is no connection string, or the package psycopg, which `user` needs, is not installed.
    """
    try:
        from psycopg import ProgrammingError, conninfo  # noqa: PLC0415  # an extra, loaded by whoever uses it
    except ImportError:
        raise ConfigError(f"{user} needs the package psycopg: pip install 'aiodoo[postgresql]'") from None
    try:
        parts = conninfo.conninfo_to_dict(url)
    except ProgrammingError:
        parts = {"dbname": "@"}
    host, port, name = str(parts.get("host") or ""), parts.get("port"), str(parts.get("dbname") or "")
    # With an @ in its name of the database the URL has a password with a / that is not written as %2F.
    if "@" in name:
        raise ConfigError(
            f"the URL of {what} must be postgresql://HOST:PORT/DATABASE, or another connection string of PostgreSQL; "
            "what was given is none (it is not repeated here, as it may hold a password, in which / @ : ? # are written "
            "as %2F %40 %3A %3F %23)"
        )
    return f"postgresql://{quote(host, safe='')}{f':{port}' if port else ''}/{name}"


@attrs.define(eq=False)
class _Database:
    """One connection to a database, made when it is needed."""

    _url: str
    _connection: psycopg.Connection[tuple[Any, ...]] | None = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def take(self, key: Key) -> int | None:
        with self._connected() as database:
            found = database.execute(_TAKE, _given(key)).fetchone()
            if found is None:
                holder = database.execute(_HOLDER, _given(key)).fetchone()
                if holder is not None:
                    raise Held(holder[0])
        return None if found is None else found[0]

    def begin(self, key: Key, run_id: str, first: Sequence[bytes]) -> bool:
        given = {**_given(key), "run": run_id, "number": len(first) - 1}
        with self._connected(SILENT_WITH_ALL) as database, database.transaction():
            if database.execute(_BEGIN, given).fetchone() is None:
                # Only this process knows the run's id, so the acknowledgement was lost if it is there.
                found = database.execute(_RUN, given).fetchone()
                return found is not None and found[0] == run_id
            with database.cursor() as cursor:
                cursor.executemany(_FIRST, [(key.name, number, line) for number, line in enumerate(first)])
        return True

    def append(self, key: Key, number: int, line: bytes) -> None:
        given = {**_given(key), "number": number, "line": line}
        with self._connected() as database:
            if database.execute(_APPEND, given).fetchone() is not None:
                return
            found = database.execute(_WRITTEN, given).fetchone()
        if found is None or not found[0]:
            raise Refused("another process has taken it up, or it was deleted")
        if not found[1]:
            raise Refused("somebody else has written to it")

    def renew(self, key: Key) -> bool:
        with self._connected() as database:
            return database.execute(_RENEW, _given(key)).rowcount == 1

    def free(self, key: Key) -> None:
        with self._connected() as database:
            database.execute(_FREE, _given(key))

    def read(self, name: str) -> bytes | None:
        with self._connected(SILENT_WITH_ALL) as database, database.cursor(binary=True) as cursor:
            return b"".join(line for (line,) in cursor.execute(_READ, {"name": name})) or None

    def holder(self, name: str) -> str | None:
        with self._connected() as database:
            found = database.execute(_HOLDER, {"name": name}).fetchone()
        return found[0] if found is not None and found[1] else None

    def begun(self) -> dict[str, float]:
        with self._connected() as database:
            return dict(database.execute(_BEGUN).fetchall())

    def delete(self, name: str) -> bool:
        with self._connected() as database:
            database.execute(_DELETE, {"name": name})
            return database.execute(_HOLDER, {"name": name}).fetchone() is None

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # the server may be gone
                connection.close()

    @contextmanager
    def _connected(self, silent: float | None = None) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield the connection, which one thread has at a time.

        Args:
            silent: seconds after which it is cut off; None for `SILENT`.

        Raises:
            Away, Refused: what the server or the client has raised.
        """
        import psycopg  # noqa: PLC0415  # as above

        with self._lock:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT)
                    with _cut_off_after(SILENT, self._connection):
                        _prepare(self._connection)
                with _cut_off_after(silent or SILENT, self._connection):
                    yield self._connection
            except psycopg.Error as error:
                self._drop()
                raise (Away if _is_away(error) else Refused)(_text(error)) from None


def _prepare(database: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Set the options of a connection, and create the tables if there are none."""
    database.execute(_PREPARE.encode())
    (there,) = database.execute("SELECT to_regclass('aiodoo_journal_lines')").fetchone() or (None,)
    if there is None:
        with database.transaction():
            database.execute(_TABLES)


@contextmanager
def _cut_off_after(seconds: float, database: psycopg.Connection[Any]) -> Iterator[None]:
    """Cut a connection off if the block takes longer.

    psycopg waits for an answer without end, and the server's own time limit does not help where nothing comes through.
    """
    cut = threading.Timer(seconds, _cut_off, (database.fileno(),))
    cut.daemon = True
    cut.start()
    try:
        yield
    finally:
        cut.cancel()
        # Afterwards the number may be that of another file.
        cut.join()


def _cut_off(number: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as connected:
        connected.shutdown(socket.SHUT_RDWR)


def _given(key: Key) -> dict[str, Any]:
    return {"name": key.name, "holder": key.holder, "lease": key.lease, "fence": key.number}


def _is_away(error: psycopg.Error) -> bool:
    """Return whether a statement may succeed later."""
    import psycopg  # noqa: PLC0415  # as above

    state = error.sqlstate
    if state is None and "FATAL:" in str(error):
        # While connecting, the message is all there is.
        return any(word in str(error) for word in ("starting up", "shutting down", "recovery", "too many"))
    if state is not None and state.startswith("53"):  # no room, but for connections
        return state == "53300"
    return isinstance(
        error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.ReadOnlySqlTransaction
    )


def _text(error: psycopg.Error) -> str:
    """Return an error without what it may quote of a URL."""
    _, fatal, said = str(error).partition("FATAL:")
    return said.strip().partition("\n")[0] if fatal else type(error).__name__
