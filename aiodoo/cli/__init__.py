"""The program `aiodoo`: one file for each command, no logic of its own.

It knows arguments, questions, output, exit codes and the folders of its runs; what a command does is the SDK's.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TextIO


def main() -> int:
    """Run the program with the arguments of this process and return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command has begun there is nothing to tidy up, and no reason for a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        import rich  # noqa: F401, PLC0415  # only the extra brings it

        from aiodoo.cli.app import run  # noqa: PLC0415  # only the extra brings what it imports
        from aiodoo.cli.terminal.output import let_everything_be_written  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"cyclopts", "rich"}:
            raise
        print(f"aiodoo's command line needs {error.name}: pip install 'aiodoo[cli]'", file=sys.stderr)
        return 2
    let_everything_be_written()
    try:
        return run(sys.argv[1:])
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        _drop_the_rest(sys.stdout)
        if error.errno != errno.EPIPE:  # else whoever read the output has left
            print(f"aiodoo: not everything could be written ({error.strerror}).", file=sys.stderr)
        return 1
    finally:
        try:
            sys.stderr.flush()
        except OSError:
            _drop_the_rest(sys.stderr)


def _drop_the_rest(stream: TextIO) -> None:
    """Forget what a stream could not write; Python would try once more when it ends, and change the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
