"""What the page on many machines works out on paper for many tenants, against a simulation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FLEET = Path(__file__).parents[2] / "benchmarks" / "fleet.py"


def test_many_tenants_cost_what_the_page_says() -> None:
    """A slice: six tenants on two hosts send the requests, and take the time and the commands, that were worked out."""
    sizes = ("--tenants", "6", "--hosts", "2", "--teams", "1", "--keys", "0")
    ran = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, str(FLEET), *sizes], capture_output=True, text=True, timeout=110, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.count(": yes") == 6
    assert ran.returncode == 0, ran.stdout
