"""The commands and what is common to them: help, version and usage errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from cyclopts import App, CycloptsError

import aiodoo
from aiodoo.cli.demo import demo
from aiodoo.cli.sandbox import sandbox

USAGE = 2

app = App(
    name="aiodoo",
    help="Change many of doo's webhook configurations, safely, within a tiny quota.",
    help_epilogue=(
        "Exit codes: 0 done; 1 failed; 2 wrong usage; 130 stopped by Ctrl-C, 143 by SIGTERM. "
        "After the first Ctrl-C a command still learns what became of the requests on their way; "
        "a second one ends it at once."
    ),
    version=aiodoo.__version__,
    version_format="plaintext",
)
app.command(demo)
app.command(sandbox)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return USAGE
    return cast("int", code or 0)
