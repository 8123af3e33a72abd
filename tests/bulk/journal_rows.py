"""What is in a journal's file, for tests that look into one or change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiodoo import Session
from aiodoo.bulk.journal.file import JournalFile
from aiodoo.bulk.journal.store import Row


def kept(path: Path, kind: str) -> Mapping[str, Any]:
    """Return all rows of a kind."""
    return JournalFile(path).read().rows.get(kind, {})


def opened(path: Path, doo: Session) -> JournalFile:
    """Return a journal, locked as a run of this session locks it."""
    file = JournalFile(path, key=doo._parts.owner.key, clock=doo._parts.clock)
    file.open()
    return file


def add(path: Path, doo: Session, rows: Sequence[Row]) -> None:
    """Write as a run of this session does."""
    file = opened(path, doo)
    file.append(rows)
    file.close()


def begin(path: Path, doo: Session, rows: Sequence[Row]) -> None:
    """Make a journal with these rows."""
    file = opened(path, doo)
    file.begin("0123456789abcdef", rows)
    file.close()
