"""A process that has loaded all of aiodoo's program, and becomes it once more whenever it is asked to.

`preloaded.py` starts it, with a socket. Each request comes with four descriptors: the standard streams of the new
process, and a socket on which its arguments, its environment and its folder are told, and its process id and how it
ended are answered.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import socket
import sys
import time
from contextlib import suppress

import aiodoo


def load() -> None:
    """Import all that the program may import."""
    for module in pkgutil.walk_packages(aiodoo.__path__, "aiodoo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("aiohttp.web", "rich.live", "rich.progress", "rich.table", "ruamel.yaml"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> list[int] | None:
    """Fork for each request; return its descriptors in the new process, and nothing when nobody can ask any more."""
    left: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([control, *left], [], [])[0]:
            if ready is control:
                descriptors = socket.recv_fds(control, 1, 4)[1]
                if not descriptors:
                    return None
                process = os.fork()
                if not process:
                    for descriptor, (_, answers) in left.items():
                        os.close(descriptor)
                        answers.close()
                    control.close()
                    return descriptors
                left[os.pidfd_open(process)] = process, socket.socket(fileno=descriptors.pop())
                for descriptor in descriptors:
                    os.close(descriptor)
            else:
                process, answers = left.pop(ready)
                os.close(ready)
                status = os.waitpid(process, 0)[1]
                with answers, suppress(BrokenPipeError):
                    answers.sendall(f"{status}\n".encode())


def become(descriptors: list[int]) -> None:
    """Take over the streams, the arguments, the environment and the folder of a request, as a new process has them."""
    with socket.socket(fileno=descriptors.pop()) as answers, answers.makefile() as asked:
        told = json.loads(asked.readline())
        if told["session"]:
            os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(told["environ"])
        os.chdir(told["folder"])
        time.tzset()
        sys.argv = told["arguments"]
        sys.stdin = sys.__stdin__ = _stream(0, sys.stdin)
        sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)
        sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)
        answers.sendall(f"{os.getpid()}\n".encode())


def _stream(number: int, like: io.TextIOWrapper) -> io.TextIOWrapper:
    """Open a standard stream as the interpreter does when it begins."""
    binary = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115  # a descriptor, kept open
    lines = number == 2 or binary.raw.isatty()
    newline = "\n" if number else None
    return io.TextIOWrapper(
        binary, encoding=like.encoding, errors=like.errors, newline=newline, line_buffering=lines
    )


if __name__ == "__main__":
    load()
    given = serve(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        become(given)
        # Nothing of this file is on the stack when the program ends but what the interpreter itself would have there.
        runpy.run_module("aiodoo", run_name="__main__", alter_sys=True)
