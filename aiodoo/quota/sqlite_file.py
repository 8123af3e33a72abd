"""The ledger's file: one SQLite database for all processes of a host, accessed in a thread, as it waits for locks.

Each exchange is one short exclusive transaction. The file has a rollback journal, which restores it after a kill, and
no write-ahead log, as a truncated one would leave an older state that looks valid.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import msgspec

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota.account_state import AccountState
from aiodoo.quota.claims import Answer, Claim, Overtaken, carry_out, shown, stands
from aiodoo.quota.exchange import BUSY_LIMIT, Ask, Busy, Reply
from aiodoo.quota.hold import Living, with_living
from aiodoo.quota.limits import Limits
from aiodoo.quota.refusals import other_limits
from aiodoo.quota.sqlite_making import make
from aiodoo.quota.sqlite_rows import (
    APPLICATION,
    VERSION,
    ClaimRows,
    Damaged,
    Head,
    check_all,
    day_since,
    read_account,
    read_head,
    take_over,
    write_account,
    write_head,
)
from aiodoo.quota.turns import AHEAD, exchange, in_use
from aiodoo.quota.updates import ClaimUpdate, LedgerUpdate

logger = logging.getLogger("aiodoo.quota")

BUSY = 5.0
"""Seconds that one attempt waits for the locks of other processes."""

_open: list[tuple[int, tuple[int, int]]] = []
"""Process id and identity of each open file. SQLite has such a list as well, and after a fork mistakes the parent's locks
for its own."""


class DamagedLedger(ConfigError):
    """The content is not what aiodoo has written; `reset` replaces the file."""


@attrs.define
class LedgerFile:
    """The file, opened on first use; not thread-safe."""

    path: Path
    living: Living
    _database: sqlite3.Connection | None = attrs.field(default=None, init=False)
    _identity: tuple[int, int] | None = attrs.field(default=None, init=False)
    _boot: str = attrs.field(default="", init=False)

    def exchange(
        self,
        account: str,
        limits: Limits,
        clock: Clock,
        updates: Sequence[LedgerUpdate],
        ask: Ask | None,
        *,
        known: int = 0,
    ) -> Reply:
        """Apply updates, then grant a slot or return when to ask again.

        Args:
            account: the name of the account.
            limits: the limits of the account.
            clock: the clock of the asker.
            updates: the updates.
            ask: a request for a slot, if any.
            known: the number of the first ended request that the asker does not know.

        Raises:
            Busy: another process has locked the file; nothing was written.
            ConfigError: the file cannot be read or written, or the account is in use with other limits.
        """
        with self._books(clock, durable=ask is not None) as (database, head, now):
            state, before = read_account(database, account, limits, head, now)
            self._agree(state, before, now)
            state.day.lapse(now, self.living.alive)
            overtaken = None
            if ask is not None and ask.mark is not None:
                answer = carry_out(ask.mark, ClaimRows(database, head), self.living.alive)
                overtaken = answer if isinstance(answer, Overtaken) else None
            origin = head.time.origin
            # How long the commit takes varies by more than a margin, so a request is sent when the slot is free, not when
            # it is granted.
            ahead = AHEAD if state.slots.margin.part else 0.0
            reply = exchange(state, updates, ask, now, origin, overtaken=overtaken, ahead=ahead)
            write_account(database, account, head, state)
            ends = day_since(database, account, state.day, known)
        return msgspec.structs.replace(reply, ends=ends, ends_from=max(known, state.day.first))

    def say(self, update: ClaimUpdate, clock: Clock) -> Answer:
        """Carry out an update of claims.

        Raises:
            Busy, ConfigError: as for `exchange`.
        """

        def answer(each: ClaimUpdate) -> Answer:
            with self._books(clock, durable=True) as (database, head, _):
                return carry_out(each, ClaimRows(database, head), self.living.alive)

        try:
            return with_living(update, self.living, answer)
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None

    def claims(self, clock: Clock) -> Sequence[Claim]:
        """Return the runs that claim teams.

        Raises:
            Busy, ConfigError: as for `exchange`.
        """
        if not self.path.exists():
            return []
        with self._transaction(clock, durable=False) as database:
            store = ClaimRows(
                database, read_head(database, self._boot, clock.monotonic(), clock.now().timestamp())
            )
            return [
                shown(record, store, self.living.alive)
                for record in store.records()
                if stands(record, self.living.alive)
            ]

    def lift(self, clock: Clock, *, only_look: bool = False) -> bool:
        """Make the day free that a reset has marked as spent; return whether it was marked.

        Raises:
            Busy, ConfigError: as for `exchange`.
        """
        with self._books(clock, durable=True) as (_, head, now):
            marked = head.spent_until is not None and head.spent_until > now
            if marked and not only_look:
                head.spent_until = head.spent_for = None
        return marked

    def close(self) -> None:
        """Close the file; the next access opens it again."""
        database, self._database = self._database, None
        if database is not None and self._identity is not None:
            _open.remove((os.getpid(), self._identity))
            with suppress(sqlite3.Error):
                database.close()

    @contextmanager
    def _books(self, clock: Clock, *, durable: bool) -> Iterator[tuple[sqlite3.Connection, Head, float]]:
        """Run one transaction; yield the database, its head, which is written at the end, and the time of the file."""
        with self._transaction(clock, durable=durable) as database:
            instants = self._boot, clock.monotonic(), clock.now().timestamp()
            head = read_head(database, *instants)
            yield database, head, head.time.advance(*instants)
            write_head(database, head)

    @contextmanager
    def _transaction(self, clock: Clock, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Open the file if necessary and run one exclusive transaction.

        A granted request has to count even after a power failure, so that is `durable`. Its end may be lost: the slot is
        then only in use, and the request counts, for longer.
        """
        try:
            database = self._database or self._open(clock)
            self._still_there()
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:  # an interrupt too
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._explained(error) from None
        except (Damaged, msgspec.MsgspecError, UnicodeError):
            # UnicodeError, because SQLite's message may quote the damage.
            self.close()
            raise self._damaged("what is in it is not what was written") from None
        except OSError as error:
            self.close()
            raise self._unusable(error.strerror or type(error).__name__) from None

    def _agree(self, state: AccountState, before: Limits, now: float) -> None:
        if before.shared() != state.limits.shared() and in_use(state, now):
            raise other_limits(before, state.limits, f"the quota ledger {self.path}")

    # Opening.

    def _open(self, clock: Clock) -> sqlite3.Connection:
        """Open the file, after creating it if there is none, and check that it is an intact ledger."""
        self._look()
        identity = _identity(self.path)
        if any(file == identity and process != os.getpid() for process, file in _open):
            raise self._unusable(
                "it was in use when this process was forked, and its locks did not come along; fork before the "
                "first request, or start processes by spawning"
            )
        database = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None
        )
        try:
            self._check(database)
            self._boot = clock.boot()
        except BaseException:  # an interrupt too
            database.close()
            raise
        self._database, self._identity = database, identity
        _open.append((os.getpid(), identity))
        return database

    def _look(self) -> None:
        """Create the file if there is none; raise ConfigError unless it is a regular file with one name."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            make(self.path)
            found = self.path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise self._unusable("it is a symbolic link")
        if not stat.S_ISREG(found.st_mode):
            raise self._unusable("it is not a file")
        if found.st_size == 0:
            raise self._damaged("it is empty")
        if found.st_nlink != 1:
            raise self._unusable(
                f"it has {found.st_nlink} names (hard links), and whoever used another one would {_MISS}"
            )
        if found.st_mode & 0o077 and os.name == "posix":
            logger.warning(
                "the quota ledger %s is open to other users of this host (mode %o); it holds no secret, but "
                "whoever can write to it can spoil the quota",
                self.path,
                stat.S_IMODE(found.st_mode),
            )

    def _check(self, database: sqlite3.Connection) -> None:
        """Raise unless the database is an intact ledger of a known version."""
        if database.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
            tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('record', 'day', 'claim')"
            if database.execute(tables).fetchone() == (3,):
                raise Damaged
            raise self._unusable("it is another program's database")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in {1, VERSION}:
            raise DamagedLedger(
                f"the quota ledger {self.path} cannot be used: it is of version {version}, and this aiodoo knows {VERSION}; "
                "nothing was sent. Use the newer aiodoo everywhere"
            )
        (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise Damaged
        (mode,) = database.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            raise self._busy()
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN IMMEDIATE")
        try:
            if version == 1:
                take_over(database)
            check_all(database)
            database.execute("COMMIT")
        except BaseException:  # an interrupt too
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _still_there(self) -> None:
        """Raise ConfigError if the path leads to another file than the open one."""
        try:
            found = self.path.lstat()
            same = (found.st_dev, found.st_ino) == self._identity
            if same and found.st_nlink != 1:
                self.close()
                raise self._unusable(
                    f"it got a second name (hard link) while in use, and whoever used that one would {_MISS}"
                )
        except FileNotFoundError:
            same = False
        if not same:
            raise self._unusable(
                "it was moved, removed or replaced while in use; put it back, or end every process that uses it"
            )

    # Errors.

    def _explained(self, error: sqlite3.Error) -> Exception:
        """Return the exception for an error of SQLite."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
            return self._busy()
        self.close()
        # A damaged header can make a writable file read-only.
        locked = code == sqlite3.SQLITE_READONLY and os.access(self.path, os.W_OK)
        if locked or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}:
            return self._damaged(str(error))
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
            return self._unusable(str(error))
        return ConfigError(
            f"the quota ledger {self.path} could not be written ({error}); nothing was sent. Make room for "
            "it, and try again."
        )

    def _busy(self) -> Busy:
        return Busy(
            ConfigError(
                f"another process has held the quota ledger {self.path} for {BUSY_LIMIT:.0f} s; nothing was sent. End "
                "that process, or try again later."
            )
        )

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(f"the quota ledger {self.path} cannot be used: {why}; nothing was sent")

    def _damaged(self, why: str) -> ConfigError:
        return DamagedLedger(
            f"the quota ledger {self.path} is damaged or no ledger: {why}; nothing was sent, and nothing is until a person "
            f"begins a new one: end every process that uses it, then `aiodoo quota reset --ledger {self.path}`, "
            "or quota.SQLite(path).reset(), puts it aside. The new one counts the day as spent, and knows no claims of runs."
        )


_MISS = "see another day; remove that name"


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
