"""Ledgers whose process is killed, whose bytes are flipped or cut, and whose disk is full: real files and processes.

However that ends, never more than the day's rest is granted, and a person can always begin anew. By default a sample;
`AIODOO_KILLS` says how often a process is killed, and `AIODOO_WHOLE=1` flips and cuts everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ledger_kills import grant
from sqlite_world import ledger_path

from aiodoo.clock import Clock
from aiodoo.errors import ConfigError
from aiodoo.quota import Lane, Limits, SQLite
from aiodoo.quota.claims import Given
from aiodoo.quota.exchange import Ask
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import DamagedLedger, LedgerFile
from aiodoo.quota.updates import Claimed

PROGRAM = Path(__file__).with_name("ledger_kills.py")
KILLS = int(os.environ.get("AIODOO_KILLS", "15"))
WHOLE = os.environ.get("AIODOO_WHOLE") == "1"
LIMITS = Limits(per_second=None, per_day=12)
USED = 5


def told(work: str, kills: int) -> list[dict[str, Any]]:
    """Run the program that kills; return what it tells of each kill."""
    with ledger_path() as path:
        command = [sys.executable, str(PROGRAM), str(path.parent), work, str(kills)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own code
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("work", ["make", "write", "turn_over"])
def test_a_kill_forgets_nothing_and_blocks_nothing(work: str) -> None:
    """What a killed process was granted counts, one request more at most, and the next is granted one."""
    found = told(work, KILLS)
    assert len(found) == KILLS
    for kill in found:
        assert kill["goes_on"], kill
        # The next one's own, and one that was granted and not told.
        assert kill["granted"] + 1 <= kill["counted"] <= kill["granted"] + 2, kill
        assert kill["apart"] in {None, True}, kill
        assert set(kill["beside"]) <= {"quota.db-journal"}, kill


def test_a_kill_while_a_ledger_is_reset_leaves_no_free_day() -> None:
    """It is the damaged one, which can be reset again, or the new one with the day spent; at no moment is there none."""
    for kill in told("reset", KILLS):
        assert kill["counted"] == 1000, kill
        assert not kill["goes_on"], kill


def drawn(path: Path) -> int | None:
    """Return how many requests a ledger grants until it refuses; None if it is refused itself."""
    file, granted = LedgerFile(path, LivingOnHost(path)), 0
    try:
        while granted <= (LIMITS.per_day or 0):
            reply = file.exchange("a", LIMITS, Clock(), [], Ask("holder", Lane.FRONT))
            if reply.number is None:
                return granted
            granted += 1
    except ConfigError as error:
        assert "nothing was sent" in str(error)  # noqa: PT017
        return None
    else:
        return granted
    finally:
        file.close()


def used_ledger(path: Path) -> bytes:
    """Make a ledger that has granted some requests, and holds a claim; return it."""
    file = LedgerFile(path, LivingOnHost(path))
    for _ in range(USED):
        file.exchange("a", LIMITS, Clock(), [], Ask("holder", Lane.FRONT))
    word = Claimed(
        run="0123456789abcdef",
        base_url="https://doo.example",
        teams=("111", "112"),
        journal="/move.journal",
        command=None,
        who="me",
        since=Clock().now(),
    )
    assert isinstance(file.say(word, Clock()), Given)
    file.living.let_go(word.run)
    file.close()
    return path.read_bytes()


def judge(path: Path, content: bytes) -> bool:
    """Judge a damaged ledger; return whether it was refused, and could be begun anew."""
    for beside in path.parent.iterdir():
        beside.unlink()
    path.write_bytes(content)
    path.chmod(0o600)
    granted = drawn(path)
    if granted is not None:
        assert granted <= (LIMITS.per_day or 0) - USED
        return False
    SQLite(path).reset()
    assert drawn(path) == 0
    return True


def test_a_flipped_bit_grants_no_more_than_the_rest() -> None:
    """The ledger is as good as it was, or refused; one that is refused can be reset."""
    with ledger_path() as path:
        content = used_ledger(path)
        step = 1 if WHOLE else 307
        refused = 0
        places = [*range(0, 100, 1 if WHOLE else 9), *range(100, len(content), step)]
        for place in places:
            flipped = bytearray(content)
            flipped[place] ^= 1 << place % 8
            refused += judge(path, bytes(flipped))
        assert 0 < refused < len(places)


def test_a_cut_ledger_grants_no_more_than_the_rest() -> None:
    """Cut at each 512 bytes, to nothing at all, or with something after its end."""
    with ledger_path() as path:
        content = used_ledger(path)
        for end in range(0, len(content), 512 if WHOLE else 2560):
            assert judge(path, content[:end])
        judge(path, content + bytes(512))


def test_a_journal_that_is_left_over_spoils_no_new_ledger() -> None:
    """Where a ledger was taken away without its `-journal`, the next one does not carry that out."""
    with ledger_path() as path:
        used_ledger(path)
        file = LedgerFile(path, LivingOnHost(path))
        with file._transaction(Clock(), durable=True) as database:  # as a kill in the midst leaves it
            database.execute("PRAGMA cache_size = 1")
            database.execute("UPDATE day SET until = 0")
            journal = path.with_name("quota.db-journal")
            shutil.copy(path, path.with_name("copy.db"))
            left = journal.read_bytes() if journal.exists() else b"left over"
            database.execute("ROLLBACK")
            database.execute("BEGIN IMMEDIATE")
        file.close()
        path.unlink()
        path.with_name("quota.db-journal").write_bytes(left)
        assert drawn(path) == LIMITS.per_day
        assert not path.with_name("quota.db-journal").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from aiodoo.errors import ConfigError
from test_sqlite_attacked import LIMITS, drawn

path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in range(0, 40_000, int(sys.argv[2])):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    granted = drawn(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    rest = drawn(path)
    assert rest is not None, room
    assert (granted or 0) + rest <= LIMITS.per_day, (room, granted, rest)
    assert [each.name for each in path.parent.iterdir()] == ["quota.db"], room
    path.unlink()
"""


def test_a_ledger_made_on_a_full_disk_can_be_used_when_there_is_room() -> None:
    """Wherever the room ends: nothing but the ledger is left, and what was granted still counts."""
    with ledger_path() as path:
        command = [sys.executable, "-c", FULL, str(path), "512" if WHOLE else "3584"]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)  # noqa: S603  # our own
        assert done.returncode == 0, done.stderr


def test_a_damaged_head_of_the_file_is_not_taken_for_another_programs() -> None:
    """With our tables in it, it is a damaged ledger, so that it can be reset."""
    with ledger_path() as path:
        content = bytearray(used_ledger(path))
        content[68:72] = b"\0\0\0\0"  # the application id
        path.write_bytes(content)
        with pytest.raises(DamagedLedger, match="damaged"):
            grant(LedgerFile(path, LivingOnHost(path)), [])
        SQLite(path).reset()
