"""Runs a command: maps signals to cancellation and errors to exit codes."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import attrs

from aiodoo.cli.terminal.advice import with_commands
from aiodoo.cli.terminal.exit_codes import USAGE, Declined, WrongUsage, code_of
from aiodoo.cli.terminal.messages import LogFormat, LogHandler, Messages
from aiodoo.cli.terminal.streams import is_dumb
from aiodoo.doo_warnings import UnknownHookType
from aiodoo.errors import BulkFailed, ConfigError, DooError, TeamClaimed

if TYPE_CHECKING:
    import asyncio

SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""The signals that stop a command. A terminal that is closed sends SIGHUP; `nohup` ignores it, and so is it then."""

SOON = 1.0
"""Seconds after a signal after which a message explains why the command has not ended."""

TERM_WITHIN = 20.0
"""Seconds in which a run must stop after SIGTERM or SIGHUP, as SIGKILL usually follows."""

AT_ONCE = 1.0
"""Seconds of grace of a run that a second signal cancels."""


@attrs.define(eq=False)
class Stop:
    """The stop signal of a command's runs, set by the first of `SIGNALS`.

    Attributes:
        within: seconds in which runs must stop.
        used: whether a run waits for it.
        explained: whether a message has said what is unfinished.
        by_person: called when a person stops the runs with Ctrl-C.
    """

    _event: asyncio.Event
    within: float = math.inf
    used: bool = False
    explained: bool = False
    by_person: list[Callable[[], object]] = attrs.field(factory=list)

    def is_set(self) -> bool:
        """Return whether runs should stop."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until runs should stop."""
        await self._event.wait()

    def set(self, *, within: float) -> None:
        """Stop the runs."""
        self.within = within
        self._event.set()


_stop: ContextVar[Stop | None] = ContextVar("aiodoo.cli.stop", default=None)


def stop_signal() -> Stop | None:
    """Return the value for `stop=` of a run; from now on the first signal stops runs, and the second one cancels."""
    stop = _stop.get()
    if stop is not None:
        stop.used = True
    return stop


def run(command: Coroutine[Any, Any, int], *, log_format: LogFormat = "text", verbose: bool = False) -> int:
    """Run a command in a new event loop and return its exit code.

    The first of `SIGNALS` cancels the command, or stops its runs if they use `stop_signal`; the second one cancels
    it then. The exit code is 128 and the number of the signal. A further signal ends the process immediately. A `DooError` is printed in one
    line; the exit code is 1, or 3 if the daily quota is exhausted. Warnings that aiodoo logs are printed too, and all that it
    logs if `verbose`.
    """
    import asyncio  # noqa: PLC0415  # --help does without

    talk = Messages(log_format)
    logger = logging.getLogger("aiodoo")
    logger.addHandler(LogHandler(talk, logging.DEBUG if verbose else logging.WARNING))
    if verbose:
        logger.setLevel(logging.DEBUG)
    return asyncio.run(_exit_code(command, talk))


async def _exit_code(command: Coroutine[Any, Any, int], talk: Messages) -> int:
    import asyncio  # noqa: PLC0415

    with _Signals.mapped(talk) as signals:
        try:
            return await command
        except asyncio.CancelledError:
            if signals.received is None:
                raise
            # The terminal has printed ^C at the beginning of the line, which \r overwrites.
            talk.say("stopped.", begin="\r" if sys.stderr.isatty() else "", signal=signals.received)
            return 128 + signals.received
        except Declined:
            talk.say("nothing was changed.")
            return USAGE
        except WrongUsage as error:
            talk.say(str(error), level="error")
            return USAGE
        except UnknownHookType as error:
            talk.say(unknown_type(error), level="error", error=type(error).__name__)
            return USAGE
        except DooError as error:
            *faults, last = lines(error)
            for text in faults:
                talk.say(text, level="error", error=type(error).__name__)
            # Below several faults of a file, the last line says what was not done.
            talk.say(last, level="info" if faults else "error", error=type(error).__name__)
            return code_of(error)


def unknown_type(error: UnknownHookType) -> str:
    """Return what is said of an unknown hook type; the SDK only warns, but here it is more often misspelled than new."""
    known = str(error).partition(";")[0]
    return f"{known}. Nothing was sent; correct it, or use --allow-unknown-type if doo has it now."


def lines(error: DooError) -> list[str]:
    """Return the lines of an error's message; only an error that lists the faults of a file has several."""
    listed = isinstance(error, ConfigError) and str(error).endswith("\nNothing was sent.")
    return str(error).splitlines() if listed else [line(error)]


def line(error: DooError) -> str:
    """Return an error's message in one line."""
    message = str(error)
    if isinstance(error, BulkFailed):
        first = error.exceptions[0]
        notes = "; ".join(getattr(first, "__notes__", ()))
        message = f"{error.message}; the first of them: {notes or first}"
    elif isinstance(error, TeamClaimed) and (run_id := _folder_of(error.journal)) is not None:
        message = _claimed(error, run_id)
    return with_commands(" ".join(message.split())) or type(error).__name__


def _folder_of(journal: str | None) -> str | None:
    """Return the id of the run that a journal belongs to; None if the command line did not create it."""
    folder = Path(journal or "").parent
    return folder.name if journal is not None and folder.parent.name == "runs" else None


def _claimed(error: TeamClaimed, run_id: str) -> str:
    """Return a message that names the run with a claim, and the commands that release it."""
    since = "" if error.since is None else f" since {error.since:%Y-%m-%d %H:%M:%S} UTC"
    if not error.alive and error.journal is not None and _is_damaged(error.journal):
        way = f"No process works on it, and its journal is damaged. Abandon the run with: aiodoo runs abandon {run_id}"
    else:
        way = _ways(error, run_id)
    return (
        f"team {error.team_id} is claimed by the run {run_id} ({error.command or 'of a program'}), begun by "
        f"{error.who}{since}. Nothing was sent. {way}"
    )


def _ways(error: TeamClaimed, run_id: str) -> str:
    return (
        f"It is running: wait until it is finished, which aiodoo runs show {run_id} --follow shows, or stop it with Ctrl-C "
        "in its terminal."
        if error.alive
        else f"No process works on it. Resume it: aiodoo runs resume {run_id}; or abandon it: aiodoo runs abandon {run_id}"
    )


def _is_damaged(journal: str) -> bool:
    from aiodoo.bulk.journal import DamagedJournal, summarize  # noqa: PLC0415  # --help does without

    try:
        summarize(journal)
    except DamagedJournal:
        return True
    except DooError:
        return False
    return False


@attrs.define
class _Signals:
    """The signal handlers of a command; installed while the context is open."""

    _task: asyncio.Task[Any]
    _loop: asyncio.AbstractEventLoop
    _talk: Messages
    _runs: Stop
    received: int | None = None
    _cancelled: bool = False
    _mapped: list[int] = attrs.field(factory=list)

    @classmethod
    def mapped(cls, talk: Messages) -> _Signals:
        """Return the handlers for the current task."""
        import asyncio  # noqa: PLC0415

        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a command runs in one
        stop = Stop(asyncio.Event())
        _stop.set(stop)
        return cls(task, task.get_loop(), talk, stop)

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
                self._mapped.append(number)
        return self

    def __exit__(self, *error: object) -> None:
        # The command has ended: from now on signals have their default effect.
        for number in self._mapped:
            signal.signal(number, signal.SIG_DFL)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a handler's signature
        if self._cancelled:
            _end(number)
        first = self.received is None
        self.received = number
        if first and self._runs.used:
            self._loop.call_soon_threadsafe(self._finish, number)
        else:
            self._cancelled = True
            self._loop.call_soon_threadsafe(self._stop)

    def _finish(self, number: int) -> None:
        if number == signal.SIGINT:
            for note in self._runs.by_person:
                note()
        self._runs.set(within=math.inf if number == signal.SIGINT else TERM_WITHIN)

    def _stop(self) -> None:
        self._task.cancel()
        self._loop.call_later(SOON, self._explain)

    def _explain(self) -> None:
        if self._mapped and not self._task.done() and not self._runs.explained:
            self._talk.say("stopping; waiting for the answers to requests in flight.")


def _end(number: int) -> None:
    if sys.stderr.isatty() and not is_dumb():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # show the cursor that a progress bar may have hidden
    os._exit(128 + number)
