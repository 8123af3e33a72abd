"""The program as a process that need not load it: forked from one that has done so.

It is a process like any other, with its own streams, environment, folder, session and signals; only how Python starts
and what it imports is not proven with it. Where that matters the command is `cli_process.installed`. So it is
everywhere if `AIODOO_WHOLE=1`.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROGRAM = [sys.executable, "-m", "aiodoo"]
_AT_START = ("PYTHON", "LC_", "LANG", "COV")
"""What of the environment the interpreter itself reads when it starts, or what measures it."""

_PARAMETERS = tuple(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]
_LIKE_OTHERS = {
    "executable": None,
    "preexec_fn": None,
    "pass_fds": (),
    "shell": False,
    "restore_signals": True,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}


class _Loader:
    """The process that has loaded everything, started when it is first needed."""

    def __init__(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A background job of a shell ignores Ctrl-C and would bequeath that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        ours, theirs = socket.socketpair()
        self.control = ours
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.at_start = _at_start(environ)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own
                [sys.executable, str(Path(__file__).with_name("preloading.py")), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environ,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.end)

    def end(self) -> None:
        """Let it end."""
        self.control.close()
        self._process.wait()


_loaders: list[_Loader] = []


def _at_start(environ: Any) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_AT_START)}


def _loader(given: dict[str, Any]) -> _Loader | None:
    """Return the process to fork from, if what is to be started is like all others."""
    if (
        os.environ.get("AIODOO_WHOLE") == "1"
        or not hasattr(os, "pidfd_open")
        or list(given["args"])[:3] != _PROGRAM
        or any(given.get(name, value) != value for name, value in _LIKE_OTHERS.items())
    ):
        return None
    if not _loaders:
        _loaders.append(_Loader())
    environ = os.environ if given["env"] is None else given["env"]
    return _loaders[0] if _at_start(environ) == _loaders[0].at_start else None


class Preloaded(subprocess.Popen[Any]):
    """A `Popen` that forks the program where it can, and starts everything else."""

    _answers: socket.socket | None = None

    def _execute_child(self, *arguments: Any) -> None:
        given = dict(zip(_PARAMETERS, arguments, strict=True))
        loader = _loader(given)
        if loader is None:
            super()._execute_child(*arguments)  # type: ignore[misc]
            return
        ours, theirs = socket.socketpair()
        streams = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        told = {
            "arguments": ["aiodoo", *map(os.fspath, given["args"][3:])],
            "environ": dict(os.environ if given["env"] is None else given["env"]),
            "folder": os.fspath(given["cwd"] or Path.cwd()),
            "session": given["start_new_session"],
        }
        with theirs:
            descriptors = [number if each < 0 else each for number, each in enumerate(streams)]
            socket.send_fds(loader.control, [b"."], [*descriptors, theirs.fileno()])
        ours.sendall(json.dumps(told).encode() + b"\n")
        self._answers = ours
        self.pid = self._read()
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in pipes))  # type: ignore[attr-defined]

    def _read(self) -> int:
        """Read a number that is answered."""
        assert self._answers is not None
        text = b""
        while not text.endswith(b"\n"):
            piece = self._answers.recv(1)
            assert piece, "what the program is forked from has ended"
            text += piece
        return int(text)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._answers is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]
        self._answers.setblocking(not wait_flags & os.WNOHANG)
        try:
            self._answers.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return 0, 0
        self._answers.setblocking(True)
        status = self._read()
        self._answers.close()
        return self.pid, status

    def _internal_poll(self, *arguments: Any, **options: Any) -> int | None:
        if self._answers is None:
            return super()._internal_poll(*arguments, **options)  # type: ignore[misc, no-any-return]
        if self.returncode is None:
            process, status = self._try_wait(os.WNOHANG)
            if process:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode
