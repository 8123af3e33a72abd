"""The standard streams: their width, their colours, and texts that are safe to show."""

from __future__ import annotations

import io
import os
import re
import select
import sys
import textwrap
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000
"""Width of tables that are not written to a terminal, so that nothing is cut off."""

NARROWEST = 20
"""Width that terminals of fewer columns are taken for, such as serial consoles of unknown width; they wrap lines."""

NARROW, TOO_NARROW = 110, 60
"""Widths of a terminal between which tables have fewer columns and taller rows."""

_COMMAND = re.compile(r"`[^`]+`|(?<=: )aiodoo [a-z][^;]*")


def prepare_streams() -> None:
    """Replace closed standard streams, let output escape characters that its encoding lacks, and check its width."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    widths = [columns_of(stream) for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    if "COLUMNS" in os.environ or NARROWEST in widths:
        # rich fails, or does not end, if there is almost no width.
        os.environ["COLUMNS"] = str(min(widths, default=columns_of(sys.stdout)))
    if os.environ.get("FORCE_COLOR") == "0" or os.environ.get("NO_COLOR"):
        os.environ.pop("FORCE_COLOR", None)  # rich takes any value for yes
    if os.environ.get("FORCE_COLOR") and is_dumb():
        del os.environ["TERM"]  # for which rich would write no colours all the same
    if os.environ.get("LINES", "").strip("0123456789") or not os.environ.get("LINES", "1").strip("0"):
        del os.environ["LINES"]


def takes_a_line(stream: IO[str]) -> bool:
    """Return whether a line can be written to a stream without waiting for its reader, or whether that cannot be told."""
    try:
        ready = select.poll()
        ready.register(stream.fileno(), select.POLLOUT)
        return bool(ready.poll(0))
    except (AttributeError, OSError, ValueError):  # Windows, and what is no file
        return True


def columns_of(stream: IO[str]) -> int:
    """Return the width of the terminal of a stream; `COLUMNS` takes precedence, and 80 is the default."""
    columns = _given_columns()
    if not columns:
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns
    return min(max(columns or 80, NARROWEST), WIDE)


def _given_columns() -> int:
    """Return the number in `COLUMNS`; 0 if it is none."""
    given = os.environ.get("COLUMNS", "")
    return int(given[:9]) if given.isascii() and given.isdecimal() else 0


def is_coloured(stream: IO[str]) -> bool:
    """Return whether colours may be written to a stream: to a terminal, or with FORCE_COLOR; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and not is_dumb()


def is_dumb() -> bool:
    """Return whether the terminal can neither show colours nor move its cursor."""
    return os.environ.get("TERM", "").lower() in {"dumb", "unknown"}


def console_of(stream: IO[str]) -> Console:
    """Return a rich console for a stream, which wraps at the width of a terminal, and nowhere else."""
    from rich.console import Console  # noqa: PLC0415  # not for all forms

    return Console(file=stream, highlight=False, width=None if stream.isatty() else WIDE)


def is_narrow() -> bool:
    """Return whether standard output is a terminal that is too narrow for wide tables, but wide enough for others."""
    return sys.stdout.isatty() and TOO_NARROW <= columns_of(sys.stdout) < NARROW


def fitted(text: str, stream: IO[str]) -> str:
    """Return a text wrapped to the width of its terminal; commands in it are not broken, so that they can be copied."""
    width = columns_of(stream)
    if not stream.isatty() or len(text) < width:
        return text
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(kept, width - 1, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


_HARMLESS = frozenset(
    "\n"
    "\xad\u200c\u200d\u2060"  # soft hyphen and joiners, of which emoji, Persian and Hindi words are made
    "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # spaces
)
"""Characters that are not printable for Python, and do nothing to a terminal."""


def safe(text: str) -> str:
    """Return a text with characters escaped that could affect the terminal, or the order of what it shows."""
    return "".join(
        character if character.isprintable() or character in _HARMLESS else repr(character)[1:-1]
        for character in text
    )
