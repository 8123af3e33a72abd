"""Writes messages to standard error, each with a label that tells errors, warnings and successes apart."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import Literal

import attrs

from aiodoo.cli.terminal.advice import with_commands
from aiodoo.cli.terminal.streams import fitted, is_coloured, safe

LogFormat = Literal["text", "json"]

_LABELS = {
    "critical": ("error: ", "1;31"),
    "error": ("error: ", "1;31"),
    "warning": ("warning: ", "1;33"),
    "success": ("done: ", "1;32"),
    "debug": ("", "2"),
}
"""What is written before messages of a level, and its colour."""


@attrs.frozen
class Messages:
    """Writes messages to standard error, as text or as JSON lines."""

    form: LogFormat = "text"

    def say(self, message: str, *, begin: str = "", level: str = "info", **facts: object) -> None:
        """Write one message; errors of writing are ignored.

        Args:
            message: the message.
            begin: what is written before its line.
            level: "info", "success", "warning" or "error". The last three have a label in a text; in JSON lines a success
                has the level "info".
            **facts: further members of its JSON line.
        """
        if self.form == "text":
            line = begin + _labelled(message, level)
        else:
            import json  # noqa: PLC0415  # only for JSON
            from datetime import UTC, datetime  # noqa: PLC0415

            stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
            known = "info" if level == "success" else level
            line = json.dumps({"time": stamp, "level": known, "message": message, **facts}, default=str)
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def _labelled(message: str, level: str) -> str:
    label, colour = _LABELS.get(level, ("", ""))
    # The lines of a text from elsewhere must not look like further messages.
    text = fitted(f"aiodoo: {label}{safe(message)}".replace("\n", "\n  "), sys.stderr)
    if not colour or not is_coloured(sys.stderr):
        return text
    if not label:
        return f"\x1b[{colour}m{text}\x1b[0m"
    # Even on the narrowest terminal the label is on the first line.
    begin = f"aiodoo: {label}".rstrip()
    return text.replace(begin, f"aiodoo: \x1b[{colour}m{label.rstrip()}\x1b[0m", 1)


def tell(message: str, *, level: str = "info") -> None:
    """Write one message as text."""
    Messages().say(message, level=level)


_UNINTERESTING = re.compile(r" (?:\w+=None|call_id=\S*)")
"""Fields of a logged event that a person does without."""


_LONG = re.compile(r"(seconds=\d+\.\d{3})\d+")


class LogHandler(logging.Handler):
    """Writes what aiodoo logs as messages."""

    def __init__(self, talk: Messages, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._talk = talk

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if "report.scope_unknown" in record.msg:
            return  # the command says it itself, with the number of copies
        text = self.format(record)
        if record.name == "aiodoo.client" and record.levelno < logging.WARNING:
            text = _LONG.sub(r"\1", _UNINTERESTING.sub("", text))
        self._talk.say(with_commands(text), level=record.levelname.lower(), logger=record.name)
