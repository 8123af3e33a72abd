"""Prompts on standard error that block neither the event loop nor signals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from aiodoo.cli.terminal.exit_codes import WrongUsage
from aiodoo.cli.terminal.streams import fitted, safe


def is_interactive() -> bool:
    """Return whether standard input and standard error are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


async def confirm(question: str) -> bool:
    """Ask a question; return whether the answer is "y" or "yes".

    Raises:
        WrongUsage: there is no terminal.
    """
    if not is_interactive():
        raise WrongUsage(
            "there is no terminal to ask on; use --yes to agree beforehand. Nothing was changed."
        )
    answer = await ask(fitted(f"{safe(question)} [y/N]", sys.stderr) + " ")
    return answer.strip().lower() in {"y", "yes"}


async def ask(prompt: str, *, hidden: bool = False) -> str:
    """Return the next line of standard input; empty at its end.

    Args:
        prompt: the text before the input, shown at a terminal only.
        hidden: whether the terminal does not echo the input.

    Raises:
        WrongUsage: the input is not UTF-8.
    """
    import asyncio  # noqa: PLC0415  # --help does without

    if not sys.stdin.isatty():  # nobody reads a prompt then, and it would begin the next message's line
        return _checked(sys.stdin.readline())
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    with _without_echo() if hidden else nullcontext():
        print(prompt, end="", file=sys.stderr, flush=True)
        loop.add_reader(sys.stdin.fileno(), read)
        ended = False
        try:
            line = await typed
            ended = line.endswith("\n") and not hidden
            return _checked(line)
        finally:
            loop.remove_reader(sys.stdin.fileno())
            if not ended:  # Ctrl-C, Ctrl-D or no echo have left the cursor behind the question
                print(file=sys.stderr, flush=True)


def _checked(line: str) -> str:
    try:
        line.encode()
    except UnicodeError:
        raise WrongUsage("what was typed is not UTF-8. Nothing was sent.") from None
    return line.rstrip("\r\n")


@contextmanager
def _without_echo() -> Iterator[None]:
    """Turn off the terminal's echo."""
    import termios  # noqa: PLC0415  # not on every system

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] = before[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
