"""A journal that is locked, foreign, damaged, misplaced or cannot be written: clear errors, nothing sent after them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, session, world
from disks import failing_disk, full_disk
from dying_process import folder
from journal_rows import begin, kept, opened
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
from aiodoo.bulk.journal import summarize
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.offload import InlineWorker
from aiodoo.operations import Create, Operation, Update
from aiodoo.sandbox import Box, Fault

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
                summarize(path)
            assert box.log.total == sent

    simulate(main)


def newer(path: Path) -> None:
    """Let a newer version have written it."""
    path.write_bytes(path.read_bytes().replace(b"aiodoo journal 3", b"aiodoo journal 4", 1))


def edited(path: Path) -> None:
    """Let somebody have edited a row."""
    data = path.read_bytes()
    assert b"applied" in data
    path.write_bytes(data.replace(b"applied", b"skipped", 1))


def sealed_anew(path: Path) -> None:
    """Let somebody have edited a row who knows the checksum, and not the key."""
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if b"applied" in line)
    rest, rows = lines[place][9:-1].split(b" [", 1)
    rest, rows = rest + b" ", b"[" + rows.replace(b"applied", b"skipped", 1)
    lines[place] = b"%08x %s%s\n" % (zlib.crc32(rest, zlib.crc32(rows)), rest, rows)
    path.write_bytes(b"".join(lines))


def shortened(path: Path) -> None:
    """Let somebody have taken a line away."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))


def emptied(path: Path) -> None:
    """Cut it to nothing."""
    os.truncate(path, 0)


def a_pipe(path: Path) -> None:
    """Put a named pipe in its place."""
    path.unlink()
    os.mkfifo(path)


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
        (shortened, JournalError, "line 2 is missing"),
        (emptied, JournalError, "it is empty"),
        (a_link, JournalError, "cannot be opened: it is a symbolic link"),
        (a_folder, JournalError, "cannot be opened: it is a folder"),
        (a_pipe, JournalError, "cannot be opened: it is not a file"),
    ],
    ids=["another file", "newer", "edited", "shortened", "emptied", "link", "folder", "pipe"],
)
def test_what_is_no_sound_journal_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], error: type[JournalError], match: str
) -> None:
    """It is left as it is, and the error says what it is and what to do."""
    refused(tmp_path / "journal", spoil, error, match)


def test_what_another_program_has_written_is_refused(tmp_path: Path) -> None:
    """Whoever knows the checksum and not the API key cannot tell a run what it has done."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            sealed_anew(path)
            sent = box.log.total
            for use in (lambda: doo.bulk.resume(path), lambda: doo.bulk.report(path)):
                with pytest.raises(JournalError, match=r"line \d+ was written by something else"):
                    await use()
            assert box.log.total == sent

    simulate(main)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run is told who holds the journal; reading it is possible all the while."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            held = opened(path, doo)
            sent = box.log.total
            with pytest.raises(
                JournalLocked, match=rf"in use by the process {os.getpid()} of .*; nothing was sent"
            ):
                await doo.bulk.run(creates(box), journal=path)
            assert (await doo.bulk.report(path)).complete
            assert box.log.total == sent
            held.close()
            assert (await doo.bulk.resume(path)).complete

    simulate(main)


def test_a_journal_that_is_held_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    """Somebody who only looks whether it is in use is in nobody's way."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)
            held = opened(path, doo)
            task = asyncio.create_task(doo.bulk.resume(path))
            await clock.sleep(0.3)
            held.close()
            assert (await task).complete

    simulate(main)


def test_a_disk_without_locks_is_not_taken_for_one_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be locked, as on some network disks, that is what the error says."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            await written_journal(doo, box, path)

            def flock(_lock: int, _how: int) -> None:
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

            monkeypatch.setattr(fcntl, "flock", flock)
            with pytest.raises(JournalError, match="its file system has no locks") as raised:
                await doo.bulk.resume(path)
            assert not isinstance(raised.value, JournalLocked)
            with pytest.raises(JournalError, match="No locks available"):
                await doo.bulk.run(creates(box), journal=tmp_path / "another")

    simulate(main)


def taken_away(path: Path) -> str:
    """Delete a journal."""
    path.unlink()
    return "was taken away"


def linked(path: Path) -> str:
    """Give a journal a second name."""
    path.with_name("second").hardlink_to(path)
    return "a second name"


def copied_over(path: Path) -> str:
    """Put a copy in its place."""
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)
    return "another file was put in its place"


def cut(path: Path) -> str:
    """Cut its end off."""
    os.truncate(path, path.stat().st_size - 10)
    return "somebody else has written to it, or cut it"


def written_to(path: Path) -> str:
    """Write something at its end."""
    with path.open("ab") as file:
        file.write(b"\n")
    return "somebody else has written to it"


@pytest.mark.parametrize("harm", [taken_away, linked, copied_over, cut, written_to])
def test_a_journal_that_is_no_longer_the_runs_own_ends_it(
    tmp_path: Path, harm: Callable[[Path], str]
) -> None:
    """Whatever is done to its file while it goes on, the run sends nothing more that is not written down there."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, organizations=6) as (doo, box):
            path = tmp_path / "journal"
            run = asyncio.create_task(doo.bulk.run(creates(box), journal=path))
            await clock.sleep(4.3)
            sent = box.count("create")
            match = harm(path)
            with pytest.raises(JournalWriteFailed, match=match) as raised:
                await run
            assert "Put the file back" in str(raised.value)
            assert "Make room" not in str(raised.value)
            assert box.count("create") <= sent + 1

    simulate(main)


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """The lock of a process that was killed is free at once."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom aiodoo.bulk.journal.file import JournalFile\n"
        "file = JournalFile(Path(sys.argv[1]), key=b'k')\nfile.open()\n"
        "file.begin('0123456789abcdef', [('run', 'run', 1)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "journal"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)  # noqa: S603  # our own code
    file = JournalFile(path, key=b"k")
    content = file.open()
    assert content is not None
    assert content.rows == {"run": {"run": 1}}
    assert content.doubt is None
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
    """A journal that everybody may read is for its owner alone once a run goes on with it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "journal"
            async with doo.bulk.stream(creates(box), journal=path, grace=0.0):
                pass
            path.chmod(0o644)
            await doo.bulk.run(creates(box), journal=path, moved=True)
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
            await doo.bulk.abandon(journal=path)  # another one takes its place
            parked = tmp_path / "parked"
            rows = [("operation", key, value) for key, value in kept(path, "operation").items()]
            begin(parked, doo, [*rows, ("run", "run", kept(path, "run")["run"])])
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


class SpoiltDisk(InlineWorker):
    """An inline worker whose disk takes so many pieces of writing, and is full or fails from then on."""

    __slots__ = ("how", "left", "path")

    def __init__(self, path: Path, how: str, left: int) -> None:
        self.path = path
        self.how = how
        self.left = left

    def do(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do it."""
        self.left -= 1
        return super().do(work if self.left >= 0 else lambda: self._spoilt(work))

    def _spoilt(self, work: Callable[[], Any]) -> Any:
        with full_disk(self.path) if self.how == "full" else failing_disk():
            return work()


@pytest.mark.parametrize("how", ["full", "fails"])
def test_a_disk_that_fails_ends_the_run_before_anything_more_is_sent(how: str) -> None:
    """From whichever write on, every change at doo is one that was written down before, and the journal goes on."""
    ends = set()

    async def main(clock: SimulatedClock, left: int, path: Path) -> None:
        # Answers that come at the same time share a write.
        box = Box(
            plan=None,
            organizations=1,
            webhooks_per_team=3,
            latency=lambda chance: chance.uniform(0.02, 0.1),
        )
        operations: list[Operation] = [
            *creates(box),
            *(Create("111", config(f"w{number}")) for number in range(30)),
            *(Update("111", item["id"], description="moved") for item in box.live("111")),
        ]
        async with session(clock, box, worker=SpoiltDisk(path, how, left)) as doo:
            try:
                await doo.bulk.run(operations, journal=path)
            except JournalWriteFailed as error:
                assert "nothing more was sent" in str(error)  # noqa: PT017  # it need not fail everywhere
                ends.add(len(box.log.changes))
        sent = box.count("create") + box.count("delete")
        if path.exists():  # noqa: ASYNC240  # simulated time waits for nobody
            states = kept(path, "change").values()
            assert sent <= sum(
                state.get("creates_sent", 0) + state.get("deletes_sent", 0) for state in states
            )
        else:
            assert not sent
        await clock.sleep(60)
        async with session(clock, box) as doo:
            report = await doo.bulk.run(operations, journal=path)
        assert report.counts()["applied"] == 34
        assert len(box.live("111")) == 34

    with folder() as where:
        for left in range(1, 60, 3):
            simulate(lambda clock, left=left: main(clock, left, where / f"journal {left}"))
    assert len(ends) > 3, "the disk failed at different moments"


FILLED = """
import resource, sys
from pathlib import Path
from aiodoo import JournalWriteFailed
from aiodoo.bulk.journal.file import JournalFile

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
file = JournalFile(Path(sys.argv[1]), key=b"k")
file.open()
try:
    file.begin("0123456789abcdef", [("operation", str(number), "x" * 100) for number in range(100)])
except JournalWriteFailed as error:
    sys.exit("Make room" not in str(error))
sys.exit(2)
"""
"""A program that may write no file longer than it is told, and begins a journal."""


@pytest.mark.parametrize("size", [0, 10, 100, 4096, 9000])
def test_a_disk_that_is_full_from_the_start(tmp_path: Path, size: int) -> None:
    """Nothing is left behind, and with room again a journal can be begun there."""
    path = tmp_path / "journal"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = [sys.executable, "-c", FILLED, str(path), str(size)]
    assert subprocess.run(run, env=inherited, check=False, timeout=60).returncode == 0  # noqa: S603  # our own code
    assert list(tmp_path.iterdir()) == []
    file = JournalFile(path, key=b"k")
    assert file.open() is None
    file.begin("0123456789abcdef", [("run", "run", {})])
    file.append([("change", "0", {})])
    file.close()


def test_what_is_written_survives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a commit returns, the disk was asked to keep it, after it was written; so is the file's name when it is made."""
    synced: list[tuple[str, int]] = []
    for name in ("fsync", "fdatasync"):
        sync = getattr(os, name)

        def watched(descriptor: int, name: str = name, sync: Callable[[int], None] = sync) -> None:
            sync(descriptor)
            kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else name
            synced.append((kind, os.fstat(descriptor).st_size))

        monkeypatch.setattr(os, name, watched)
    path = tmp_path / "journal"
    file = JournalFile(path, key=b"k")
    file.open()
    file.begin("0123456789abcdef", [("run", "run", {})])
    assert [kind for kind, _ in synced] == ["fsync", "folder", "fdatasync"]
    for number in range(3):
        file.append([("change", str(number), {})])
        assert synced[-1] == ("fdatasync", path.stat().st_size)
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
