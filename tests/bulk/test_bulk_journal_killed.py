"""Journals whose process is killed while it makes, writes or turns over one: real files, real processes, no network.

By default a sample; `AIODOO_WHOLE=1` kills at every system call, and `AIODOO_KILLS` says how often at random instants.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dying_process import folder

PROGRAM = Path(__file__).with_name("journal_kills.py")
EVERY = 1 if os.environ.get("AIODOO_WHOLE") == "1" else 4
KILLS = int(os.environ.get("AIODOO_KILLS", "20"))


def told(*arguments: object, within: Path) -> list[dict[str, Any]]:
    """Run the program that kills; return what it tells of each kill."""
    command = [sys.executable, str(PROGRAM), str(within), *(str(each) for each in arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own code
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("work", "disk"),
    [
        ("make", "unnamed"),
        ("make", "named"),
        ("go_on", "unnamed"),
        ("turn_over", "unnamed"),
        ("turn_over", "named"),
    ],
)
def test_killed_at_each_system_call(work: str, disk: str) -> None:
    """What a process was told is kept is there, nothing is in doubt, nothing is in the way, and the journal goes on."""
    with folder() as where:
        found = told("calls", work, EVERY, disk, within=where)
    assert sum(kill["died"] for kill in found) > (30 if EVERY == 1 else 6)
    for kill in found:
        assert kill["sound"], kill
        assert kill["goes_on"], kill
        assert kill["doubt"] is None, kill
        if work == "make" and disk == "unnamed":
            assert kill["beside"] == [], kill
    assert {kill["made"] for kill in found} == ({False, True} if work == "make" else {True})


def test_killed_at_random_instants(tmp_path: Path) -> None:
    """The same at instants that nobody chose; it takes no person's word to go on, but perhaps on a very busy machine."""
    found = told("random", KILLS, within=tmp_path)
    assert len(found) == KILLS
    for kill in found:
        assert kill["sound"], kill
        assert kill["goes_on"], kill
    assert sum(kill["doubt"] is not None for kill in found) <= 1 + KILLS // 20
