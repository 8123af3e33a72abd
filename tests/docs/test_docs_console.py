"""The pages show what the program prints: every console block runs as printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```console\n\$ aiodoo (.*)\n((?:.*\n)*?)```$", re.MULTILINE)
EXAMPLES = [
    pytest.param(found[1], found[2], id=f"{page.stem}: {found[1]}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for found in BLOCK.finditer(page.read_text())
]


@pytest.mark.parametrize(("command", "printed"), EXAMPLES)
def test_a_console_block_is_what_the_program_prints(command: str, printed: str, tmp_path: Path) -> None:
    """The command prints that, on both streams, and ends with 0."""
    told = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "aiodoo", *shlex.split(command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (told.returncode, told.stdout) == (0, printed)
