"""The program `aiodoo`: one file for each command, no logic of its own."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run the program with the arguments of this process and return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command has begun there is nothing to tidy up, and no reason for a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        import rich  # noqa: F401, PLC0415  # only the extra brings it

        from aiodoo.cli.app import run  # noqa: PLC0415  # only the extra brings what it imports
        from aiodoo.cli.showing import let_everything_be_written  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"cyclopts", "rich"}:
            raise
        print(f"aiodoo's command line needs {error.name}: pip install 'aiodoo[cli]'", file=sys.stderr)
        return 2
    let_everything_be_written()
    try:
        return run(sys.argv[1:])
    except BrokenPipeError:
        # Whoever read the output has left; without this, Python would try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
