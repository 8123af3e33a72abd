"""The real program as a process: started, listened to, stopped, and looked for when it is gone."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from urllib.parse import urlsplit

from preloaded import Preloaded

_DECISIVE = (
    "FORCE_COLOR",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "PYTHONUNBUFFERED",
    "COLUMNS",
    "LINES",
)
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what decides about colours, widths and buffers."""
    return {name: value for name, value in os.environ.items() if name not in _DECISIVE} | {
        "TERM": "xterm-256color",
        **changes,
    }


def program(*arguments: str) -> list[str]:
    """Return the command line of the program, which is started preloaded where it can be."""
    return [sys.executable, "-m", "aiodoo", *arguments]


def installed(*arguments: str) -> list[str]:
    """Return the command line of the installed program, which is started as its user does it."""
    return [os.path.join(os.path.dirname(sys.executable), "aiodoo"), *arguments]  # noqa: PTH118, PTH120  # keeps the venv's link


@contextmanager
def started(
    command: Sequence[str], *, environ: Mapping[str, str] | None = None, **streams: int
) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a group of its own, and leave none of that group behind."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A background job of a shell ignores Ctrl-C and would bequeath that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    with Preloaded(
        command, text=True, start_new_session=True, env=environment(**(environ or {})), **given
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return run_code(program(*arguments), **environ)


def run_code(
    command: Sequence[str], *, typed: str | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    stdin = None if typed is None else subprocess.PIPE
    with Preloaded(
        command,
        text=True,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**environ),
    ) as process:
        try:
            out, error = process.communicate(typed)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def on_terminal(
    command: Sequence[str],
    *,
    stop_at: Sequence[bytes] = (),
    stop_after: float | None = None,
    answer: bytes = b"",
    question: bytes = b"[y/N] ",
    meanwhile: Callable[[], object] | None = None,
    **environ: str,
) -> tuple[int, bytes]:
    """Run a command on a terminal of 80 x 24; return its exit code and all that the terminal got.

    Parameters:
        stop_at: send SIGINT as soon as the first of them is shown, again at the second, and so on.
        stop_after: send SIGINT so many seconds after the start.
        answer: what is typed at the first question.
        question: how that ends.
        meanwhile: what happens before the answer.
    """
    master, slave = pty.openpty()
    shown, moments = b"", list(stop_at)
    size = {"COLUMNS": "80", "LINES": "24"}
    with started(command, environ=size | environ, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        stop = Timer(stop_after or 0, process.send_signal, [signal.SIGINT])
        if stop_after is not None:
            stop.start()
        while piece := read_piece(master):
            shown += piece
            if answer and question in shown:
                if meanwhile is not None:
                    meanwhile()
                os.write(master, answer)
                answer = b""
            if moments and moments[0] in shown:
                process.send_signal(signal.SIGINT)
                del moments[0]
        code = process.wait()
        stop.cancel()
    os.close(master)
    return code, shown


def screen_lines(shown: bytes) -> list[str]:
    """Return the lines that a terminal got, without what decides about colours and the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    return re.split(r"[\r\n]+", text)


def read_piece(terminal: int) -> bytes:
    """Return what the terminal got, nothing when the program has closed it."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def read_url(process: subprocess.Popen[str]) -> str:
    """Return the first URL that the process tells on standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("it told no URL")


def is_listening(url: str) -> bool:
    """Return whether somebody listens there."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def is_gone(process: subprocess.Popen[str]) -> bool:
    """Return whether no process of its group is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False
