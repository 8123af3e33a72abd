"""Running a command: signals become its cancellation, how it ended becomes an exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Self

import attrs

from aiodoo.errors import BulkFailed, DooError

FAILED = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(command: Coroutine[Any, Any, int]) -> int:
    """Run a command in an event loop of its own and return its exit code.

    The first SIGINT or SIGTERM cancels it; the code is 130 or 143 then. The second one ends the process at
    once. A `DooError` is told in one line, and the code is 1. What aiodoo logs as a warning is told too.
    """
    logging.getLogger("aiodoo").addHandler(_Teller(logging.WARNING))
    return asyncio.run(_told(command))


async def _told(command: Coroutine[Any, Any, int]) -> int:
    with _Signals.mapped() as signals:
        try:
            return await command
        except asyncio.CancelledError:
            if signals.received is None:
                raise
            # The terminal has shown ^C where the line begins.
            tell("stopped.", begin="\r" if sys.stderr.isatty() else "")
            return 128 + signals.received
        except DooError as error:
            tell(_line(error))
            return FAILED


def tell(words: str, *, begin: str = "") -> None:
    """Print one line for the person at the terminal."""
    print(f"{begin}aiodoo: {words}", file=sys.stderr, flush=True)


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


def _line(error: DooError) -> str:
    words = str(error)
    if isinstance(error, BulkFailed):
        first = error.exceptions[0]
        notes = "; ".join(getattr(first, "__notes__", ()))
        words = f"{error.message}; the first of them: {notes or first}"
    return " ".join(words.split()) or type(error).__name__


@attrs.define
class _Signals:
    """What the process does with signals while a command runs."""

    _task: asyncio.Task[Any]
    _loop: asyncio.AbstractEventLoop
    received: int | None = None
    _mapped: list[int] = attrs.field(factory=list)

    @classmethod
    def mapped(cls) -> _Signals:
        """Return one for the current task."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a command runs in one
        return cls(task, task.get_loop())

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
                self._mapped.append(number)
        return self

    def __exit__(self, *error: object) -> None:
        # The command is over: from here on, a signal may end the process as it ends any other.
        for number in self._mapped:
            signal.signal(number, signal.SIG_DFL)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a handler's signature
        if self.received is not None:
            _end(number)
        self.received = number
        self._loop.call_soon_threadsafe(self._task.cancel)


def _end(number: int) -> None:
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # show the cursor that a progress bar may have hidden
    os._exit(128 + number)
