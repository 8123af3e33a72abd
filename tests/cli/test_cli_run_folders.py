"""The folders of runs, made by several processes at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from cli_process import started

from aiodoo.cli import run_folders


def test_two_processes_that_draw_the_same_name_have_a_folder_each(tmp_path: Path) -> None:
    """In the same second and with the same random digits: no run takes over, overwrites or removes another one's folder."""
    code = (
        "import datetime, secrets, sys\nfrom pathlib import Path\nfrom aiodoo.cli import run_folders\n"
        "class SameSecond(datetime.datetime):\n    now = classmethod(lambda cls, zone: cls(2026, 11, 30, tzinfo=zone))\n"
        "run_folders.datetime = SameSecond\n"
        "digits = iter(range(100))\nsecrets.token_hex = lambda size: f'{next(digits):0{2 * size}x}'\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "for number in range(20):\n"
        "    run = run_folders.make(Path(sys.argv[1]), f'copy {sys.argv[2]} {number}', None, None)\n"
        "    run.journal.touch()\n"
        "    print(run.id, flush=True)\n"
    )
    made = {}
    with ExitStack() as stack:
        both = {
            name: stack.enter_context(
                started([sys.executable, "-c", code, str(tmp_path), name], stdin=subprocess.PIPE)
            )
            for name in ("one", "other")
        }
        for process in both.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in both.values():
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for name, process in both.items():
            out, error = process.communicate()
            assert error == ""
            made |= {drawn: f"copy {name} {number}" for number, drawn in enumerate(out.split())}
    runs = list(run_folders.all_of(tmp_path))
    assert {run.id: run.command for run in runs} == made
    assert len(made) == 40
    assert all(run.journal.exists() for run in runs)
