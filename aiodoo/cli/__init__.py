"""The program `aiodoo`, with one module for each command.

It handles arguments, prompts, output, exit codes and the folders of runs; everything else is done by the SDK.
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
        # Before a command has begun nothing has to be cleaned up, and a traceback would not help.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        import rich  # noqa: F401, PLC0415  # installed by the extra `cli`

        from aiodoo.cli.app import run  # noqa: PLC0415  # imports what the extra `cli` installs
        from aiodoo.cli.terminal.streams import prepare_streams  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"cyclopts", "rich"}:
            raise
        print(f"aiodoo's command line needs {error.name}: pip install 'aiodoo[cli]'", file=sys.stderr)
        return 2
    prepare_streams()
    try:
        return run(sys.argv[1:])
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        _discard(sys.stdout)
        if error.errno != errno.EPIPE:  # else the reader of the output has exited
            print(f"aiodoo: error: not everything could be written ({error.strerror}).", file=sys.stderr)
        return 1
    finally:
        try:
            sys.stderr.flush()
        except OSError:
            _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Redirect a stream to the null device; else Python writes its buffer at exit, and changes the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
