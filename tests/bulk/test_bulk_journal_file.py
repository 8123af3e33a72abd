"""A journal that is locked, foreign, damaged, misplaced or cannot be written: clear errors, nothing sent after them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, session, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mortal import folder
from simulated import SimulatedClock, simulate

from aiodoo import (
    ConfigError,
    JournalError,
    JournalLocked,
    JournalMismatch,
    JournalWriteFailed,
    Limits,
    Secret,
    SecretsNeeded,
    Session,
)
from aiodoo.bulk.glance import glance
from aiodoo.bulk.journal_file import SCHEMA, JournalFile
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box, Fault
from aiodoo.worker import InlineWorker

SLOW = Limits(per_second=1, per_day=None)


def creates(box: Box) -> list[Operation]:
    """Return one create for each team."""
    return [Create(team, config("new")) for team in box.teams]


async def written_journal(doo: Session, box: Box, path: Path) -> None:
    """Leave the journal of a finished run."""
    assert (await doo.bulk.run(creates(box), journal=path)).complete


def refused(path: Path, spoil: Callable[[Path], object], error: type[JournalError], match: str) -> None:
    """See that a spoilt journal is refused before anything is sent, by a run, a resume and a report."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            await written_journal(doo, box, path)
            spoil(path)
            sent = box.log.total
            for use in (
                lambda: doo.bulk.run(creates(box), journal=path),
                lambda: doo.bulk.resume(path),
                lambda: doo.bulk.report(path),
            ):
                with pytest.raises(error, match=match):
                    await use()
            with pytest.raises(error, match=match):
                glance(path)
            assert box.log.total == sent

    simulate(main)


def newer(path: Path) -> None:
    """Let a newer version have written it."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")


def edited(path: Path) -> None:
    """Let somebody have edited a row."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE kept SET value = replace(value, 'applied', 'skipped') WHERE kind = 'change'")


def shortened(path: Path) -> None:
    """Let somebody have taken a row away."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM kept WHERE kind = 'operation' AND key = '1'")


def a_link(path: Path) -> None:
    """Put a symlink in its place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def a_folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "error", "match"),
    [
        (lambda path: path.write_bytes(b"name,endpoint\n" * 200), JournalError, "damaged, or no journal"),
        (newer, JournalMismatch, "newer version"),
        (edited, JournalError, "is not as it was written"),
        (shortened, JournalError, "does not hold every operation"),
        (a_link, JournalError, "cannot be opened: Too many levels of symbolic links"),
        (a_folder, JournalError, "cannot be opened: (Is a directory|it is not a file)"),
    ],
    ids=["another file", "newer", "edited", "shortened", "link", "folder"],
)
def test_what_is_no_sound_journal_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], error: type[JournalError], match: str
) -> None:
    """It is left as it is, and the error says what it is and what to do."""
    refused(tmp_path / "journal", spoil, error, match)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255), cut=st.booleans())
def test_damage_anywhere_never_changes_what_is_read(tmp_path: Path, place: int, flip: int, cut: bool) -> None:  # noqa: FBT001
    """With a byte flipped or the file cut anywhere, the journal reads as it was, or not at all."""
    path = tmp_path / "journal"
    for name in ("journal", "journal-wal", "journal-shm"):
        path.with_name(name).unlink(missing_ok=True)
    rows = [("change", str(number), {"stage": "planned", "new_id": f"id {number}"}) for number in range(200)]
    file = JournalFile(path, write=True)
    file.write(rows)
    file.close()
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] ^= flip
    path.write_bytes(data[:place] if cut else data)
    try:
        file = JournalFile(path, write=False)
    except JournalError:
        return
    try:
        read = file.read("change")
    except JournalError:
        return
    finally:
        file.close()
    assert read in ({}, {key: value for _, key, value in rows})


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run is told who holds the journal; reading it is possible all the while."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            held = JournalFile(path, write=True)
            sent = box.log.total
            with pytest.raises(
                JournalLocked, match=rf"in use by the process {os.getpid()}; nothing was sent"
            ):
                await doo.bulk.run(creates(box), journal=path)
            assert (await doo.bulk.report(path)).complete
            assert box.log.total == sent
            held.close()
            assert (await doo.bulk.resume(path)).complete

    simulate(main)


def test_a_disk_without_locks_is_not_taken_for_one_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be locked, as on some network disks, that is what the error says."""

    def flock(_lock: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalError, match="its disk knows no locks") as raised:
        JournalFile(tmp_path / "journal", write=True)
    assert not isinstance(raised.value, JournalLocked)


def test_a_lock_that_was_taken_away_ends_the_run(tmp_path: Path) -> None:
    """Whoever deletes the lock's file lets a second run in, so the first one sends nothing that was not written down before."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, organizations=6) as (doo, box):
            path = tmp_path / "journal"
            run = asyncio.create_task(doo.bulk.run(creates(box), journal=path))
            await clock.sleep(4.3)
            path.with_name("journal.lock").unlink()
            second = JournalFile(path, write=True)
            begun = second.read("change")
            with pytest.raises(JournalWriteFailed, match="was taken away, so another run may have it"):
                await run
            assert second.read("change") == begun
            assert 0 < box.count("create") <= len(begun) < len(box.teams)
            with pytest.raises(JournalLocked):
                JournalFile(path, write=True)
            second.close()
            assert (await doo.bulk.run(creates(box), journal=path)).counts()["applied"] == len(box.teams)

    simulate(main)


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """The lock of a process that was killed is free at once."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom aiodoo.bulk.journal_file import JournalFile\n"
        "file = JournalFile(Path(sys.argv[1]), write=True)\nfile.write([('run', 'run', 1)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "journal"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)  # noqa: S603  # our own code
    file = JournalFile(path, write=True)
    assert file.read("run") == {"run": 1}
    file.close()


def test_it_belongs_to_one_account_and_its_operations(tmp_path: Path) -> None:
    """Another API key, or other operations, are refused before anything is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            sent = box.log.total
            with pytest.raises(JournalMismatch, match="other operations"):
                await doo.bulk.run(creates(box)[1:], journal=path)
            other = Box(plan=None)
            async with session(clock, other) as stranger:
                with pytest.raises(JournalMismatch, match="another API key"):
                    await stranger.bulk.resume(path)
                with pytest.raises(JournalMismatch, match="another API key"):
                    await stranger.bulk.report(path)
            with pytest.raises(JournalMismatch, match="holds no run"):
                await doo.bulk.resume(tmp_path / "nothing")
            assert box.log.total == sent
            assert other.log.total == 0

    simulate(main)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """The journal and its lock are for their owner alone, and no bare secret is in them."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2) as (doo, box):
            path = tmp_path / "journal"
            secret = box.client_secret + "rotated"
            operations = [Update("111", item["id"], client_secret=secret) for item in box.live("111")]
            report = await doo.bulk.run(operations, journal=path)
            assert report.counts()["applied"] == 2
            for file in sorted(tmp_path.iterdir()):  # noqa: ASYNC240  # simulated time waits for nobody
                assert file.stat().st_mode & 0o777 == 0o600
                assert secret.encode() not in file.read_bytes()

    simulate(main)


def test_what_others_could_read_they_can_no_more(tmp_path: Path) -> None:
    """A journal that was copied for everybody to read is for its owner alone once a run goes on with it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            path.chmod(0o644)
            await doo.bulk.run(creates(box), journal=path)
            assert path.stat().st_mode & 0o777 == 0o600

    simulate(main)


def test_a_run_without_its_bare_secrets(tmp_path: Path) -> None:
    """Resuming wants the operations again where secrets were bare values, before anything is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2, secrets="clear") as (doo, box):
            path = tmp_path / "journal"
            secret = box.client_secret + "rotated"
            operations = [Update("111", item["id"], client_secret=secret) for item in box.live("111")]
            box.script(Fault("error_not_acted", on="list", times=9))
            assert not (await doo.bulk.run(operations, journal=path, settle=0.0)).counts()["applied"]
            parked = tmp_path / "parked"
            file = JournalFile(parked, write=True)
            source = JournalFile(path, write=False)
            file.write(
                [
                    (kind, key, value)
                    for kind in ("run", "operation")
                    for key, value in source.read(kind).items()
                ]
            )
            file.close()
            source.close()
            sent = box.log.total
            with pytest.raises(SecretsNeeded, match="Pass the same operations again"):
                await doo.bulk.resume(parked)
            assert box.log.total == sent
            report = await doo.bulk.run(operations, journal=parked)
            assert report.resumed
            assert report.counts()["applied"] == 2

    simulate(main)


def test_a_run_that_is_done_needs_its_secrets_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has ended it is reported, gone on with and undone without them; an unfinished one is refused at once."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=2, secrets="clear") as (doo, box):
            done, begun = tmp_path / "done", tmp_path / "begun"
            monkeypatch.setenv("CRM_SECRET", box.client_secret + "rotated")
            secret = Secret.from_env("CRM_SECRET")
            operations = [Update("111", item["id"], client_secret=secret) for item in box.live("111")]
            report = await doo.bulk.run(operations, journal=done)
            assert report.counts()["applied"] == 2
            task = asyncio.create_task(doo.bulk.run(operations, journal=begun, grace=0.0))
            await clock.sleep(0.01)
            task.cancel()
            await asyncio.wait({task})
            monkeypatch.delenv("CRM_SECRET")
            sent = box.log.total
            assert (await doo.bulk.report(done)).counts() == report.counts()
            assert (await doo.bulk.resume(done)).counts() == report.counts()
            assert (await doo.bulk.report(begun)).counts()["not_started"] == 2
            with pytest.raises(ConfigError, match="CRM_SECRET is not set"):
                await doo.bulk.resume(begun)
            assert box.log.total == sent
            assert (await doo.bulk.verify(done)).clean

    simulate(main)


class SmallDisk(InlineWorker):
    """An inline worker whose journal may grow by so many pages and no more."""

    __slots__ = ("pages",)

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def do(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do it; a journal that is opened gets its limit."""
        return super().do(lambda: self._limited(work()))

    def _limited(self, result: Any) -> Any:
        if isinstance(result, JournalFile):
            (used,) = result._database.execute("PRAGMA page_count").fetchone()
            result._database.execute(f"PRAGMA max_page_count = {used + self.pages}")
        return result


def test_a_full_disk_ends_the_run_before_anything_more_is_sent(tmp_path: Path) -> None:
    """Wherever the disk is full, nothing was sent that is not written down, and with room again the run goes on."""
    failed = set()

    async def main(clock: SimulatedClock, pages: int) -> None:
        path = tmp_path / f"journal {pages}"
        box = Box(plan=None, organizations=1, latency=0.05)
        operations = [Create("111", config(f"w{number}")) for number in range(60)]
        async with session(clock, box, worker=SmallDisk(pages)) as doo:
            try:
                await doo.bulk.run(operations, journal=path)
            except JournalWriteFailed as error:
                assert "nothing more was sent" in str(error)  # noqa: PT017  # it need not fail everywhere
                failed.add(box.count("create"))
        file = JournalFile(path, write=False)
        begun = [state for state in file.read("change").values() if state["stage"] != "planned"]
        file.close()
        assert box.count("create") <= len(begun)
        async with session(clock, box) as doo:
            report = await doo.bulk.run(operations, journal=path)
        assert report.counts()["applied"] == 60
        assert len(box.live("111")) == 60

    for pages in range(4, 24):
        simulate(lambda clock, pages=pages: main(clock, pages))
    assert len(failed) > 2, "the disk was full at different moments"


FILLED = """
import resource, signal, sys
from pathlib import Path
from aiodoo import JournalWriteFailed
from aiodoo.bulk.journal_file import JournalFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    JournalFile(Path(sys.argv[1]), write=True)
except JournalWriteFailed as error:
    sys.exit("Make room" not in str(error))
sys.exit(2)
"""
"""A program that may write no file longer than it is told, and begins a journal."""


@pytest.mark.parametrize("size", [0, 100, 4096, 5000, 9000])
def test_a_disk_that_is_full_from_the_start(tmp_path: Path, size: int) -> None:
    """It is not taken for a damaged journal, and with room again the same one can be begun."""
    path = tmp_path / "journal"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = [sys.executable, "-c", FILLED, str(path), str(size)]
    assert subprocess.run(run, env=inherited, check=False, timeout=60).returncode == 0  # noqa: S603  # our own code
    file = JournalFile(path, write=True)
    file.write([("change", "0", {})])
    file.close()


class FailingDisk(InlineWorker):
    """An inline worker whose disk takes so many pieces of writing, and fails from then on."""

    __slots__ = ("how", "left")

    def __init__(self, how: str, left: int) -> None:
        self.how = how
        self.left = left

    def do(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do it; whoever holds the journal is told when the disk begins to fail."""
        return super().do(lambda: self._watched(work()))

    def _watched(self, result: Any) -> Any:
        if isinstance(result, JournalFile):
            result._database.set_trace_callback(lambda text: self._count(result, text))
        return result

    def _count(self, file: JournalFile, text: str) -> None:
        self.left -= text.startswith("BEGIN")
        if self.left < 0 and self.how == "read-only":
            self.left = 10**9
            file._database.execute("PRAGMA query_only = ON")
        elif self.left < 0:
            file._database.set_progress_handler(lambda: True, 1)


@pytest.mark.parametrize("how", ["read-only", "fails"])
def test_a_disk_that_fails_ends_the_run_before_anything_more_is_sent(how: str) -> None:
    """From whichever write on, every change at doo is one that was written down before, and the journal goes on."""
    ends = set()

    async def main(clock: SimulatedClock, left: int, path: Path) -> None:
        box = Box(plan=None, organizations=1, webhooks_per_team=3, latency=0.05)
        operations: list[Operation] = [
            *creates(box),
            *(Update("111", item["id"], description="moved") for item in box.live("111")),
        ]
        async with session(clock, box, worker=FailingDisk(how, left)) as doo:
            try:
                await doo.bulk.run(operations, journal=path)
            except JournalWriteFailed:
                ends.add(len(box.log.changes))
        sent = box.count("create") + box.count("delete")
        file = JournalFile(path, write=False)
        states = file.read("change").values()
        file.close()
        assert sent <= sum(state["creates_sent"] + state["deletes_sent"] for state in states)
        async with session(clock, box) as doo:
            report = await doo.bulk.run(operations, journal=path)
        assert report.counts()["applied"] == 4
        assert len(box.live("111")) == 4

    with folder() as where:
        for left in range(1, 24):
            simulate(lambda clock, left=left: main(clock, left, where / f"journal {left}"))
    assert len(ends) > 3, "the disk failed at different moments"


def test_what_is_written_survives_a_loss_of_power(tmp_path: Path) -> None:
    """Each write is on the disk when it returns: a write-ahead log that is synced at every commit."""
    file = JournalFile(tmp_path / "journal", write=True)
    assert file._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file._database.execute("PRAGMA synchronous").fetchone() == (2,)
    file.close()


def test_where_there_are_no_file_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: everything can be imported and runs, and a journal is refused in plain words."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import aiodoo, importlib, pkgutil\n"
        "for name in aiodoo.__all__: getattr(aiodoo, name)\n"
        "for module in pkgutil.walk_packages(aiodoo.__path__, 'aiodoo.'):\n"
        "    module.name.endswith('__main__') or importlib.import_module(module.name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  # our own code

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            monkeypatch.setitem(sys.modules, "fcntl", None)
            sent = box.log.total
            for use in (
                doo.bulk.run(creates(box), journal=path),
                doo.bulk.resume(path),
                doo.bulk.report(path),
            ):
                with pytest.raises(JournalError, match="this system has not"):
                    await use
            assert box.log.total == sent
            assert (await doo.bulk.run(creates(box))).counts()["applied"] == 3

    simulate(main)
