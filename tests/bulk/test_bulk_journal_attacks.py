"""What may happen to a journal's file: flips, cuts, copies, locks, odd places. Refused in words, or as if nothing had been.

In simulated time, but for the bits, whose files nobody runs from.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bulk_world import config, session, world
from disks import full_disk
from dying_process import folder
from journal_rows import begin, kept, opened
from simulated import SimulatedClock, simulate
from test_bulk_journal_versions import write_journal

from aiodoo import DooError, JournalError, JournalLocked, JournalWriteFailed, Limits, Session
from aiodoo.bulk.journal import lines, summarize
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.operations import Create, Operation
from aiodoo.quota import Memory, event_loop_claims
from aiodoo.sandbox import Box

SLOW = Limits(per_second=1, per_day=None)
KEY = b"k"


def creates(box: Box) -> list[Operation]:
    """Return two creates for each team."""
    return [Create(team, config(name)) for team in box.teams for name in ("a", "b")]


async def killed(doo: Session, clock: SimulatedClock, box: Box, path: Path, *, after: float = 4.3) -> None:
    """Leave the journal of a run that was broken off in its middle."""
    run = asyncio.create_task(doo.bulk.run(creates(box), journal=path, grace=0.0))
    await clock.sleep(after)
    run.cancel()
    await asyncio.wait({run})


def another_process() -> None:
    """Forget what a ledger in memory knows of runs, as it ends with its process."""
    event_loop_claims._of_loops.pop(asyncio.get_running_loop(), None)


async def refused(
    clock: SimulatedClock, box: Box, path: Path, match: str, *, quota: Memory | None = None, **more: Any
) -> None:
    """See that going on is refused before anything is sent; no ledger knows the run unless one is given."""
    sent = box.log.total
    if quota is None:
        another_process()
    async with session(clock, box, limits=SLOW, quota=quota or Memory()) as doo:
        for use in (
            lambda: doo.bulk.run(creates(box), journal=path, **more),
            lambda: doo.bulk.resume(path, **more),
        ):
            with pytest.raises(JournalError, match=match):
                await use()
    assert box.log.total == sent


async def goes_on(
    clock: SimulatedClock, box: Box, path: Path, *, quota: Memory | None = None, **more: Any
) -> None:
    """See that one resume finishes the run, and that each create is live once; as `refused`."""
    if quota is None:
        another_process()
    async with session(clock, box, limits=SLOW, quota=quota or Memory()) as doo:
        report = await doo.bulk.resume(path, **more)
        assert report.counts()["applied"] == len(creates(box))
    for team in box.teams:
        assert sorted(item["name"] for item in box.live(team)) == ["a", "b"]


def test_no_flipped_bit_goes_unseen() -> None:
    """Wherever it is: the journal is damaged, or by another hand; the last line is not taken for one without its line break."""
    with folder() as where:
        flipped(where / "journal")


def flipped(path: Path) -> None:
    """Flip them, one by one."""
    file = JournalFile(path, key=KEY)
    file.open()
    file.begin("0123456789abcdef", [("operation", "0", "x"), ("run", "run", {"operations": 1})])
    for number in range(4):
        file.append([("change", "0", {"stage": f"{number}"})])
    file.close()
    sound = path.read_bytes()
    for place in range(len(sound)):
        bits = range(8) if place < 64 or place >= len(sound) - 130 else (place % 8,)
        for bit in bits:
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << bit]) + sound[place + 1 :])
            try:
                content = JournalFile(path, key=KEY).read()
            except JournalError as error:
                assert "nothing was sent" in str(error)  # noqa: PT017  # the run's id is seen later
            else:
                assert content.forged_at == 1, place
    path.write_bytes(sound)
    assert JournalFile(path, key=KEY).read().forged_at is None


def test_a_last_line_that_lacks_only_its_line_break_counts(tmp_path: Path) -> None:
    """A full disk took all of it but that, and the process was killed: the journal is read, continued, and sound."""
    path = tmp_path / "journal"
    file = JournalFile(path, key=KEY)
    file.open()
    file.begin("0123456789abcdef", [("operation", "0", "x"), ("run", "run", {"operations": 1})])
    file.append([("change", "0", {"stage": "one"})])
    whole = file.read()
    file.close()
    os.truncate(path, path.stat().st_size - 1)
    assert JournalFile(path, key=KEY).read().rows == whole.rows
    file = JournalFile(path, key=KEY)
    content = file.open()
    assert content is not None
    assert content.rows["change"] == {"0": {"stage": "one"}}
    file.append([("change", "0", {"stage": "two"})])
    file.close()
    again = JournalFile(path, key=KEY).read()
    assert (again.rows["change"], again.forged_at) == ({"0": {"stage": "two"}}, None)
    assert path.read_bytes().count(b"\n\n") == 0


def test_a_cut_is_seen_wherever_it_is(tmp_path: Path) -> None:
    """At each 512 bytes and at each line's end; whole again, a person's word is enough, and nothing is doubled."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path = tmp_path / "journal"
            await killed(doo, clock, box, path)
            whole = path.read_bytes()
            ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
            await clock.sleep(5)
            for size in sorted({*range(0, len(whole), 512), *ends[:-1], *(end - 1 for end in ends)}):
                path.write_bytes(whole)
                os.truncate(path, size)
                await refused(clock, box, path, "may be an old or truncated copy|damaged, or no journal")
            path.write_bytes(whole)
            await refused(clock, box, path, "may be an old or truncated copy .*moved=True")
            await goes_on(clock, box, path, moved=True)

    simulate(main)


def by_cp(path: Path, copy: Path) -> None:
    """Copy as `cp` does."""
    shutil.copyfile(path, copy)


def by_cp_p(path: Path, copy: Path) -> None:
    """Copy as `cp -p` does."""
    shutil.copy2(path, copy)


def by_tar(path: Path, copy: Path) -> None:
    """Copy as `tar` does, into a file that is named when it is whole."""
    shutil.copy2(path, copy.with_name("new"))
    copy.with_name("new").rename(copy)


@pytest.mark.parametrize("how", [by_cp, by_cp_p, by_tar])
@pytest.mark.parametrize("over", [False, True], ids=["beside it", "put back"])
def test_a_copy_that_was_made_at_the_same_moment(
    tmp_path: Path,
    how: Callable[[Path, Path], None],
    over: bool,  # noqa: FBT001
) -> None:
    """One made while the run goes on tells the time of its last line, and is told from the journal all the same."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path, copy = tmp_path / "journal", tmp_path / "copy"
            run = asyncio.create_task(doo.bulk.run(creates(box), journal=path, grace=0.0))
            while not path.exists() or len(kept(path, "change")) < 2:
                await clock.sleep(0.001)
            how(path, copy)
            assert (
                JournalFile(copy, clock=clock).read().doubt
                == "it is a copy, or was brought here from another disk"
            )
            await clock.sleep(3.1)
            run.cancel()
            await asyncio.wait({run})
            if over:
                copy.replace(path)
            await refused(clock, box, path if over else copy, "may be an old or truncated copy .it is a copy")
            await goes_on(clock, box, path if over else copy, moved=True)

    simulate(main)


def test_a_person_says_once_that_it_was_moved(tmp_path: Path) -> None:
    """From then on the file is the journal, and its next process needs no word."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path, copy = tmp_path / "journal", tmp_path / "copy"
            await killed(doo, clock, box, path, after=3.3)
            shutil.copy2(path, copy)
            run = asyncio.create_task(doo.bulk.resume(copy, moved=True, grace=0.0))
            await clock.sleep(1.2)
            run.cancel()
            await asyncio.wait({run})
            await clock.sleep(600)
            await goes_on(clock, box, copy)

    simulate(main)


def test_the_ledger_tells_the_last_copy_from_an_older_one(tmp_path: Path) -> None:
    """The last one goes on without a person's word; an older one is refused, whatever a person says, also when all is done."""

    async def main(clock: SimulatedClock) -> None:
        ledger = Memory()
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (_, box):
            path, old, last = (tmp_path / name for name in ("journal", "old", "last"))
            async with session(clock, box, limits=SLOW, quota=ledger) as doo:
                run = asyncio.create_task(doo.bulk.run(creates(box), journal=path, grace=0.0))
                await clock.sleep(2.3)
                shutil.copy2(path, old)
                await clock.sleep(2)
                run.cancel()
                await asyncio.wait({run})
                shutil.copy2(path, last)
                path.unlink()
            for moved in (False, True):
                await refused(
                    clock, box, old, "is an old copy: it ends with commit", quota=ledger, moved=moved
                )
            await goes_on(clock, box, last, quota=ledger)
            await clock.sleep(86_400)
            for moved in (False, True):
                await refused(
                    clock, box, old, "is an old copy: it ends with commit", quota=ledger, moved=moved
                )
            async with session(clock, box, limits=SLOW, quota=ledger) as doo:
                assert not await doo.bulk.claims()
                await doo.bulk.run(creates(box))

    simulate(main)


def test_the_ledger_knows_a_journal_from_the_first_request_on(tmp_path: Path) -> None:
    """A run that is killed in its very first request needs no person's word either."""

    async def main(clock: SimulatedClock) -> None:
        ledger = Memory()
        async with world(clock, webhooks_per_team=0) as (_, box):
            path = tmp_path / "journal"
            async with session(clock, box, limits=SLOW, quota=ledger) as doo:
                await doo.webhooks.page("111")
                await killed(doo, clock, box, path, after=1.01)
                assert box.count("create") == 0
            await clock.sleep(5)
            path.chmod(0o640)
            await goes_on(clock, box, path, quota=ledger)

    simulate(main)


def test_a_second_name(tmp_path: Path) -> None:
    """Under neither is anything sent; once one of them is gone the journal goes on."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path, second = tmp_path / "journal", tmp_path / "second"
            await killed(doo, clock, box, path)
            second.hardlink_to(path)
            for name in (path, second):
                await refused(clock, box, name, r"2 names \(hard links\)")
                await refused(clock, box, name, r"2 names \(hard links\)", moved=True)
            second.unlink()
            await goes_on(clock, box, path, moved=True)

    simulate(main)


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["flock", "lockf"])
def test_another_program_has_locked_it(tmp_path: Path, how: str) -> None:
    """It is busy, not damaged, and can be read; a lock of the other kind is in nobody's way."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path = tmp_path / "journal"
            await killed(doo, clock, box, path)
            with subprocess.Popen(  # noqa: ASYNC220, S603  # simulated time waits for nobody; our own code
                [sys.executable, "-c", HOLDER, str(path), how],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as holder:
                assert holder.stdout is not None
                holder.stdout.readline()
                assert len(await doo.bulk.report(path)) == len(creates(box))
                assert summarize(path) is not None
                if how == "flock":
                    with pytest.raises(JournalLocked, match="in use by"):
                        await doo.bulk.resume(path)
                else:
                    await goes_on(clock, box, path)
                holder.communicate()
            await goes_on(clock, box, path)

    simulate(main)


def odd(where: Path) -> dict[str, Any]:
    """Return paths that no journal can have."""
    (where / "folder").mkdir()
    (where / "empty").touch()
    (where / "dangling").symlink_to(where / "nowhere")
    os.mkfifo(where / "pipe")
    return {
        "empty": "",
        "root": "/",
        "here": ".",
        "null": f"{where}/a\0b",
        "surrogate": f"{where}/\ud800",
        "folder": where / "folder",
        "as a folder": f"{where}/new/",
        "pipe": where / "pipe",
        "device": "/dev/null",
        "full device": "/dev/full",
        "longer than a name": where / ("x" * 256),
        "longer than a path": where / "/".join(["y"] * 5000),
        "missing folder": where / "no" / "journal",
        "below a file": where / "empty" / "journal",
        "empty file": where / "empty",
        "dangling": where / "dangling",
        "bytes": os.fsencode(where / "bytes"),
        "number": 5,
    }


def test_odd_paths(tmp_path: Path) -> None:
    """Whatever is asked of them, one of our errors says what is wrong, and nothing is sent or made."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            paths = odd(tmp_path)
            before = sorted(os.listdir(tmp_path))  # noqa: PTH208
            for path in paths.values():
                for use in (
                    lambda path=path: doo.bulk.run(creates(box), journal=path),
                    lambda path=path: doo.bulk.resume(path),
                    lambda path=path: doo.bulk.report(path),
                    lambda path=path: doo.bulk.undo(path),
                    lambda path=path: doo.bulk.verify(path),
                    lambda path=path: doo.bulk.abandon(journal=path),
                ):
                    with pytest.raises(DooError):
                        await use()
                if isinstance(path, str | Path):
                    with pytest.raises(JournalError):
                        summarize(path)
            assert box.log.total == 0
            assert sorted(os.listdir(tmp_path)) == before  # noqa: PTH208

    simulate(main)


def test_paths_that_only_look_odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line's end, a name as long as can be, one that is no text, and a folder that the process leaves meanwhile."""

    async def main(clock: SimulatedClock) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("a\nb", "x" * 255, os.fsdecode(b"\xff"), "plain"):
            async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
                run = asyncio.create_task(doo.bulk.run(creates(box), journal=name, grace=0.0))
                await clock.sleep(1.5)
                monkeypatch.chdir("/")
                await clock.sleep(1.5)
                run.cancel()
                await asyncio.wait({run})
                monkeypatch.chdir(tmp_path)
                await goes_on(clock, box, Path(name))
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        async with world(clock) as (doo, box):
            for use in (lambda: doo.bulk.run(creates(box), journal="j"), lambda: doo.bulk.report("j")):
                with pytest.raises(DooError):
                    await use()
            assert box.log.total == 0
        monkeypatch.chdir(tmp_path)

    simulate(main)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who is not the files' owner; whoever runs the tests as one is that already."""
    was = os.geteuid()
    if not was:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_folder_and_a_file_that_cannot_be_written() -> None:
    """The journal is read as always; going on and beginning are refused before anything is sent."""

    async def main(clock: SimulatedClock, where: Path) -> None:
        async with world(clock, limits=SLOW, webhooks_per_team=0) as (doo, box):
            path = where / "journal"
            await killed(doo, clock, box, path)
            path.chmod(0o444)
            where.chmod(0o555)  # noqa: ASYNC240  # simulated time waits for nobody
            sent = box.log.total
            with nobody():
                assert len(await doo.bulk.report(path)) == len(creates(box))
                with pytest.raises(JournalError, match="Permission denied"):
                    await doo.bulk.resume(path)
                with pytest.raises(JournalError, match="Permission denied"):
                    begin(where / "new", doo, [("run", "run", {})])
            assert box.log.total == sent
            where.chmod(0o755)  # noqa: ASYNC240
            path.chmod(0o600)
            await goes_on(clock, box, path, moved=True)

    with tempfile.TemporaryDirectory() as name:
        where = Path(name, "of its own")
        where.mkdir()
        Path(name).chmod(0o755)
        simulate(lambda clock: main(clock, where))


def test_a_disk_that_is_full_when_an_older_journal_is_turned_over() -> None:
    """The older one stays as it is, and goes on once there is room."""

    async def main(clock: SimulatedClock, where: Path) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = where / "journal"
            write_journal(path, 2, box, doo._parts.owner.account)
            before = path.read_bytes()
            for size in (0, 1):
                file = opened(path, doo)
                with (
                    full_disk(where / "none", left=size),
                    pytest.raises(JournalWriteFailed, match="Make room"),
                ):
                    file.begin("0123456789abcdef", [("run", "run", "x" * 5000)])
                file.close()
                assert path.read_bytes() == before
                assert not [name for name in os.listdir(where) if name.startswith(".")]  # noqa: PTH208
            assert (await doo.bulk.resume(path)).counts()["applied"] == 4

    with folder() as where:
        simulate(lambda clock: main(clock, where))


def test_what_takes_long_is_done_before_a_line_is_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a process which shares its processor, and is killed then, leaves nothing in doubt."""
    worked_on: list[int] = []
    chain = lines.Chain(KEY, b"")

    def crc32(data: bytes, value: int = 0) -> int:
        worked_on.append(len(data))
        return value

    def blake2b(data: bytes, **_more: object) -> Any:
        worked_on.append(len(data))
        return hashlib.sha256(data)

    def now() -> float:
        monkeypatch.setattr(zlib, "crc32", crc32)
        monkeypatch.setattr(hashlib, "blake2b", blake2b)
        return 1_800_000_000.0

    chain.line(lines.encoded([("change", "0", "x" * 1_000_000)]), now, size=0)
    assert len(worked_on) == 2
    assert max(worked_on) < 1000
