"""Kills processes that make, write or turn over a journal, and looks at what each leaves; prints one line of JSON a kill.

A work is done by a forked child: it is killed right before or after one of its system calls, each in turn, or by a
SIGKILL at a random instant. Whoever opens the journal afterwards has to find what the child was told is kept, and has
to be able to go on.

    python tests/bulk/journal_kills.py FOLDER calls WORK EVERY [named]
    python tests/bulk/journal_kills.py FOLDER random KILLS
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiodoo.bulk.journal import lines
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.store import Content, Row

KEY = b"k"
RUN = "0123456789abcdef"
CALLS = ["open", "write", "pwrite", "link", "unlink", "replace", "fsync", "fdatasync", "ftruncate", "close"]
"""What of the module `os` a child can be killed at, beside locks."""

BEGUN: list[Row] = [
    *(("operation", str(number), {"is": "create", "text": "x" * 40}) for number in range(300)),
    ("run", "run", {"operations": 300}),
]
COMMITS = 6
WRITE = os.write


def commit(number: int) -> list[Row]:
    """Return the rows of a commit; one in three takes more than a block."""
    return [("change", str(number), {"reason": "y" * (9000 if number % 3 == 1 else 100)})]


class Child:
    """What a child does; it tells through a pipe how many commits it was told are kept."""

    def __init__(self, path: Path, told: int) -> None:
        self.path = path
        self.told = told

    def make(self) -> None:
        """Make a journal, and write to it."""
        file = JournalFile(self.path, key=KEY)
        if file.open() is None:
            file.begin(RUN, BEGUN)
        self.write(file)

    def go_on(self) -> None:
        """Go on with a journal."""
        file = JournalFile(self.path, key=KEY)
        file.open()
        self.write(file)

    def turn_over(self) -> None:
        """Go on with one of an older form."""
        file = JournalFile(self.path, key=KEY)
        content = file.open()
        assert content is not None
        if content.run_id is None:
            file.begin(RUN, plain(content))
        self.write(file)

    def write(self, file: JournalFile) -> None:
        """Make commits."""
        for number in range(COMMITS):
            file.append(commit(number))
            WRITE(self.told, b".")
        file.close()


def plain(content: Content) -> list[Row]:
    """Return all rows, the head last."""
    return [
        (kind, key, value)
        for kind in sorted(content.rows, key=lambda kind: kind == "run")
        for key, value in content.rows[kind].items()
    ]


def die_at(step: int, *, after: bool) -> None:
    """Let this process be killed at its so many-th system call."""
    done = 0

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, call: Callable[..., Any] = call, **more: Any) -> Any:
            nonlocal done
            done += 1
            if done == step and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **more)
            finally:
                if done == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        return called

    for name in CALLS:
        setattr(os, name, mortal(getattr(os, name)))
    fcntl.flock = mortal(fcntl.flock)


def older(path: Path) -> None:
    """Write a journal as the version before did, with its write-ahead log."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(
        "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"
    )
    database.execute("BEGIN")
    for kind, key, value in BEGUN:
        text = json.dumps(value)
        seal = zlib.crc32(f"{kind}\0{key}\0{text}".encode())
        database.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (kind, key, text, seal))
    database.execute("PRAGMA user_version = 2")
    database.execute("COMMIT")
    # Killed: what is in the log stays there.
    os._exit(0)


def torn(path: Path) -> None:
    """Write a journal that ends with a piece of a line, as a killed process leaves it."""
    file = JournalFile(path, key=KEY)
    file.open()
    file.begin(RUN, BEGUN)
    line, *_ = file._chain.line(lines.encoded(commit(1)), file._now, size=file._size)
    os.write(file._descriptor or 0, line[: lines.BLOCK - file._size % lines.BLOCK])
    file.close()


def prepared(work: str, path: Path) -> None:
    """Put there what the work begins with."""
    before = {"turn_over": older, "go_on": torn}.get(work)
    if before is not None:
        child = os.fork()
        if not child:
            before(path)
            os._exit(0)
        os.waitpid(child, 0)


def killed(
    work: str, path: Path, die: Callable[[], object], kill: Callable[[int], object]
) -> tuple[bool, int]:
    """Let a child do its work and be killed; return whether it was, and how many commits it was told of."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        die()
        getattr(Child(path, write), work)()
        os._exit(0)
    os.close(write)
    kill(child)
    _, status = os.waitpid(child, 0)
    with open(read, "rb") as pipe:  # noqa: PTH123  # a descriptor
        told = len(pipe.read())
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the child failed by itself")
    return os.WIFSIGNALED(status), told


def left(work: str, path: Path, told: int) -> dict[str, Any]:
    """Go on with what a killed child has left, and tell what was there."""
    file = JournalFile(path, key=KEY)
    content = file.open()
    found: dict[str, Any] = {"made": content is not None, "doubt": None, "kept": 0, "sound": True}
    if content is not None:
        changes = content.rows.get("change", {})
        found["doubt"], found["kept"] = content.doubt, len(changes)
        found["sound"] = (
            [key for key, _ in sorted(content.rows["operation"].items(), key=lambda row: int(row[0]))]
            == [str(number) for number in range(300)]
            and told <= len(changes) <= told + 1
            and list(changes) == [str(number) for number in range(len(changes))]
        )
    elif told or work != "make":
        found["sound"] = False
    if content is None or content.run_id is None:
        file.begin(RUN, BEGUN)
    file.append([("end", "end", 1)])
    file.close()
    again = JournalFile(path, key=KEY)
    last = again.open()
    found["goes_on"] = last is not None and last.one("end") == 1 and last.forged_at is None
    again.close()
    found["beside"] = sorted(each.name for each in path.parent.iterdir() if each != path)
    return found


def tell(**found: Any) -> None:
    """Write what was found."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def at_each_call(folder: Path, work: str, every: int) -> None:
    """Kill at each system call, or one in so many, right before it and right after it."""
    for after in (False, True):
        step = 1 + after
        died = True
        while died:
            # A machine that holds a child up right there leaves it in doubt when it was written; that is another test.
            for attempt in range(4):
                where = folder / f"{work} {step} {after} {attempt}"
                where.mkdir()
                path = where / "journal"
                prepared(work, path)
                die = lambda step=step, after=after: die_at(step, after=after)  # noqa: E731
                died, told = killed(work, path, die, lambda _child: None)
                found = left(work, path, told)
                if found["doubt"] is None:
                    break
            tell(step=step, after=after, died=died, told=told, **found)
            step += every


def at_random(folder: Path, kills: int) -> None:
    """Kill at random instants."""
    chance = random.Random(11)

    def kill(child: int) -> None:
        time.sleep(chance.uniform(0.0, 0.02))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    done = 0
    while done < kills:
        work = chance.choice(["make", "go_on", "turn_over"])
        where = folder / f"{done}"
        where.mkdir(exist_ok=True)
        path = where / "journal"
        path.unlink(missing_ok=True)
        prepared(work, path)
        died, told = killed(work, path, lambda: None, kill)
        done += died
        if died:
            tell(work=work, died=died, told=told, **left(work, path, told))


if __name__ == "__main__":
    where, how, what, *more = sys.argv[1:]
    if "named" in more and hasattr(os, "O_TMPFILE"):
        # As on a disk that knows no files without a name.
        del os.O_TMPFILE
    if how == "calls":
        at_each_call(Path(where), what, int(more[0]))
    else:
        at_random(Path(where), int(what))
