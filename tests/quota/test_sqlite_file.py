"""The file itself: who may read it, what is refused, and that no fault of it lifts a limit."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate
from sqlite_world import ledger_path, simulated_ledger

from aiodoo.errors import ConfigError, DooError, QuotaExhausted
from aiodoo.quota import Account, Lane, Limits, Permits, SQLite

FRONT = Lane.FRONT
ACCOUNT = "5d41402abc4b2a76"


def account_of(path: Path, clock: SimulatedClock, **limits: float | None) -> Account:
    """Return an account as another process has it."""
    return simulated_ledger(path).open(account=ACCOUNT, limits=Limits(**limits), clock=clock)


async def call(account: Account) -> float:
    """Do one request that is answered at once; return when it left."""
    slot = await account.acquire(FRONT, Permits(8))
    slot.answered(0.0)
    return account.clock.monotonic()


def use(path: Path, requests: int = 1, **limits: float | None) -> None:
    """Let a process come, send a few requests, and go."""

    async def main(clock: SimulatedClock) -> None:
        account = account_of(path, clock, **limits)
        for _ in range(requests):
            await call(account)
        await account.close()

    simulate(main)


def refusal(path: Path) -> str:
    """Return with what words a process is refused."""
    with pytest.raises(ConfigError, match="nothing was sent") as caught:
        use(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_only_its_owner_can_read_it(tmp_path: Path):
    """File and new folder are the user's alone, and no half-made file is left beside it."""
    path = tmp_path / "state" / "aiodoo" / "quota.db"
    use(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["quota.db"]


def test_a_file_that_others_can_read_is_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """It holds no secret, so this is no reason to stop."""
    path = tmp_path / "quota.db"
    use(path)
    path.chmod(0o666)
    with caplog.at_level(logging.WARNING, "aiodoo.quota"):
        use(path)
    assert "666" in caplog.text


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b", b"quota.db"])
def test_what_cannot_be_a_file_is_refused_at_once(path: str):
    """A ledger in memory is quota.Memory's."""
    with pytest.raises(ConfigError, match="path of a file"):
        SQLite(path)


def test_a_path_is_the_same_wherever_the_program_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative path is one of the folder in which the ledger was made."""
    monkeypatch.chdir(tmp_path)
    ledger = SQLite("quota.db")
    monkeypatch.chdir("/")
    assert ledger.path == tmp_path / "quota.db"


def test_names_that_mean_something_to_sqlite_are_just_names(tmp_path: Path):
    """Question marks, percent signs and spaces are part of the name."""
    path = tmp_path / "a ?mode=memory&x=%41#.db"
    use(path)
    assert path.exists()


def test_a_symbolic_link_is_refused(tmp_path: Path):
    """Others could make it lead elsewhere."""
    use(tmp_path / "real.db")
    (tmp_path / "quota.db").symlink_to(tmp_path / "real.db")
    assert "symbolic link" in refusal(tmp_path / "quota.db")


def test_a_second_name_is_refused(tmp_path: Path):
    """Whoever used the other name would lock and count for themselves; without it the ledger is as it was."""
    path, other = tmp_path / "quota.db", tmp_path / "other.db"
    use(path)
    other.hardlink_to(path)
    assert "hard links" in refusal(path)
    assert "hard links" in refusal(other)
    other.unlink()
    use(path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_not_a_file_is_refused(tmp_path: Path, make: Callable[[Path], None]):
    """Neither a folder nor a pipe is waited for."""
    make(tmp_path / "quota.db")
    assert "not a file" in refusal(tmp_path / "quota.db")


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(4080)])
def test_what_is_not_a_database_is_refused_and_left_alone(tmp_path: Path, content: bytes):
    """The message names the file and the way out; nothing is written to it."""
    path = tmp_path / "quota.db"
    path.write_bytes(content)
    assert f"aiodoo quota reset --ledger {path}" in refusal(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path):
    """A ledger knows its own."""
    path = tmp_path / "quota.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE record (name TEXT PRIMARY KEY, content BLOB, crc INTEGER)")
    database.close()
    assert "another program's" in refusal(path)


def change(path: Path, statement: str) -> None:
    """Change a ledger behind its back."""
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


def test_a_newer_version_is_refused(tmp_path: Path):
    """An older aiodoo does not touch what a newer one made."""
    path = tmp_path / "quota.db"
    use(path)
    change(path, "PRAGMA user_version = 3")
    assert "version 3" in refusal(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET content = zeroblob(length(content))",
        "UPDATE record SET content = 'text'",
        "UPDATE record SET crc = crc + 1 WHERE name = 'head'",
        "DELETE FROM record WHERE name = 'head'",
        "DROP TABLE record",
    ],
)
def test_a_record_that_is_not_what_was_written_is_refused(tmp_path: Path, statement: str):
    """Limits are not taken from damaged records, nor are these replaced."""
    path = tmp_path / "quota.db"
    use(path)
    change(path, statement)
    assert "damaged" in refusal(path)
    assert f"aiodoo quota reset --ledger {path}" in refusal(path)


def test_a_file_that_sqlite_finds_inconsistent_is_refused(tmp_path: Path):
    """It is looked through when it is opened, though its records may still be read."""
    path = tmp_path / "quota.db"
    use(path)
    content = bytearray(path.read_bytes())
    content[36:40] = b"\0\0\0\x05"  # the number of free pages
    path.write_bytes(content)
    assert "damaged" in refusal(path)


def test_a_record_that_is_damaged_while_in_use_is_noticed(tmp_path: Path):
    """It need not be opened anew for that."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        account = account_of(path, clock)
        await call(account)
        change(path, "UPDATE record SET content = zeroblob(9)")
        with pytest.raises(ConfigError, match="damaged"):
            await call(account)
        await account.close()

    simulate(main)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_was_taken_away_is_not_used_on(tmp_path: Path, how: str):
    """Others would see another file, so both together would ask too often."""
    path = tmp_path / "quota.db"

    async def main(clock: SimulatedClock) -> None:
        account = account_of(path, clock)
        await call(account)
        path.rename(tmp_path / "old.db")
        if how == "replaced":
            use_in(path, clock)
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"moved, removed or replaced.*nothing was sent"):
                await call(account)
        if how == "removed":
            (tmp_path / "old.db").rename(path)
            await call(account)
        await account.close()

    def use_in(path: Path, _: SimulatedClock) -> None:
        shutil.copy(tmp_path / "old.db", path)

    simulate(main)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64)),
        min_size=1,
        max_size=5,
    ),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_damage_never_lifts_a_limit(patches: list[tuple[float, bytes]], cut: float | None):
    """Bytes are changed, or the end is cut off: the ledger is refused, or keeps the limits from then on."""

    async def main(clock: SimulatedClock) -> None:
        account = account_of(path, clock, per_day=30, reserve=0)
        for _ in range(10):
            await call(account)
        # As a process that was killed leaves it: without the last words.
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        damage(copy)
        await asyncio.sleep(5)
        await account.close()
        other = account_of(copy, clock, per_day=30, reserve=0)
        left = []
        try:
            while True:
                left.append(await call(other))
        except QuotaExhausted:
            pass
        except ConfigError as error:
            assert "nothing was sent" in str(error)  # noqa: PT017
        await other.close()
        assert len(left) <= 30
        assert all(later - earlier >= 1 - 1e-6 for earlier, later in itertools.pairwise(left))

    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        for place, patch in patches:
            at = int(place * len(content))
            content[at : at + len(patch)] = patch
        file.write_bytes(content if cut is None else content[: int(cut * len(content))])

    with ledger_path() as path:
        simulate(main)


CHILD = """
import asyncio, os, resource, sys
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, DooError
from aiodoo.quota import Lane, Limits, Permits, SQLite

async def call(account):
    slot = await account.acquire(Lane.FRONT, Permits(8))
    slot.answered(0.0)

def account_of(path):
    return SQLite(path).open(account="a", limits=Limits(per_second=None), clock=Clock())
"""

FULL = """
async def main():
    account = account_of(sys.argv[1])
    await call(account)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, hard))
    granted = 0
    try:
        while granted < 500:
            await call(account)
            granted += 1
    except DooError as error:
        print(type(error).__name__, error)
    assert 0 < granted < 500
    # The room that was left is used up.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    for _ in range(3):
        try:
            await call(account)
        except DooError:
            continue
        raise AssertionError("granted on a full disk")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await call(account)
    assert account.used == granted + 2, (account.used, granted)
    await account.close()
"""

READ_ONLY = """
async def main():
    # Imported before privileges are given up.
    import aiodoo.quota.sqlite
    await call(account := account_of(sys.argv[1] + "/quota.db"))
    await account.close()
    os.chmod(sys.argv[1] + "/quota.db", 0o400 if sys.argv[2] == "file" else 0o600)
    os.chmod(sys.argv[1], 0o500)
    if os.getuid() == 0:
        os.chown(sys.argv[1], 65534, 65534)
        os.chown(sys.argv[1] + "/quota.db", 65534, 65534)
        os.setgid(65534)
        os.setuid(65534)
    path = sys.argv[1] + ("/new.db" if sys.argv[2] == "new" else "/quota.db")
    try:
        await call(account_of(path))
    except DooError as error:
        print(type(error).__name__, error)
"""


def run(script: str, *arguments: str) -> str:
    """Run a script in a process of its own; return what it says."""
    code = f"{CHILD}{script}\nasyncio.run(main())"
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_grants_nothing_and_is_used_again_when_there_is_room(tmp_path: Path):
    """What cannot be written down is not sent; the count goes on afterwards."""
    said = run(FULL, str(tmp_path / "quota.db"))
    assert said.startswith("ConfigError")
    assert "nothing was sent" in said


@pytest.mark.parametrize("what", ["file", "folder", "new"])
def test_a_file_or_folder_that_cannot_be_written_is_refused(tmp_path: Path, what: str):
    """The message says what cannot be used."""
    folder = tmp_path / "state"
    said = run(READ_ONLY, str(folder), what)
    folder.chmod(0o700)
    assert said.startswith("ConfigError")
    assert str(folder) in said
    assert "nothing was sent" in said


def test_the_file_holds_no_more_of_the_key_than_its_hash(tmp_path: Path):
    """The only thing that tells accounts apart is the name that the Session made of the key."""
    path = tmp_path / "quota.db"
    use(path)
    database = sqlite3.connect(path)
    names = [name for (name,) in database.execute("SELECT name FROM record ORDER BY name")]
    database.close()
    assert names == [f"account {ACCOUNT}", "head"]


def test_errors_of_a_broken_ledger_are_every_callers_own(tmp_path: Path):
    """All who wait hear it, each with an exception of its own."""
    path = tmp_path / "quota.db"
    path.mkdir()

    async def main(clock: SimulatedClock) -> list[BaseException]:
        account = account_of(path, clock)
        return await asyncio.gather(*(call(account) for _ in range(3)), return_exceptions=True)

    errors = simulate(main)
    assert all(isinstance(error, DooError) for error in errors)
    assert len({id(error) for error in errors}) == 3
