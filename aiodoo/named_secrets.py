"""Secrets that a file holds by name: the section `secrets` of a file of desired state, such as an export with secrets."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

_log = logging.getLogger("aiodoo.desired")

_SECTION = "secrets:"
_LINE = re.compile(r'\s+([A-Za-z0-9_-]+): ("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*)\s*')
_ESCAPE = re.compile(r"\\(U[0-9a-fA-F]{8}|.)")


def unquoted(text: str) -> str:
    r"""Return the text that a scalar in double quotes means in YAML and JSON.

    Raises:
        ValueError: it is none, or has an escape that JSON lacks, other than `\U`.
    """
    if "\\U" in text:
        text = _ESCAPE.sub(
            lambda found: json.dumps(chr(int(found[1][1:], 16)))[1:-1] if len(found[1]) > 1 else found[0],
            text,
        )
    try:
        return str(json.loads(text))
    except OverflowError:
        raise ValueError from None


def read_named(path: Path, name: str) -> tuple[str, bool] | None:
    """Return a secret of a file by its name, and whether it is a number; None if the file has none of that name.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not UTF-8.
    """
    found = path.stat()
    return _all_of(str(path), found.st_mode, found.st_mtime_ns, found.st_size).get(name)


@lru_cache(maxsize=4)
def _all_of(path: str, mode: int, mtime: int, size: int) -> Mapping[str, tuple[str, bool]]:  # noqa: ARG001  # the key
    if os.name == "posix" and mode & 0o077:
        _log.warning(
            "%s holds secrets, and other users of this machine may open it (mode %o); run `chmod 600 %s`",
            path,
            mode & 0o777,
            path,
        )
    with open(path, encoding="utf-8-sig", newline="\n") as file:  # noqa: PTH123  # no newline= there
        if file.read(1) == "{":
            file.seek(0)
            return _of_json(json.load(file))
        file.seek(0)
        return _section(file)


def _of_json(data: object) -> dict[str, tuple[str, bool]]:
    """Return the secrets of a file that is written as JSON."""
    match data:
        case {"secrets": {**secrets}}:
            return {
                str(name): (value, False) if isinstance(value, str) else (json.dumps(value), True)
                for name, value in secrets.items()
            }
    return {}


def _section(lines: Iterable[str]) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    inside = False
    for line in lines:
        if not inside:
            inside = line.rstrip() == _SECTION
        elif match := _LINE.fullmatch(line):
            is_number = match[2][0] != '"'
            found[match[1]] = (match[2] if is_number else unquoted(match[2]), is_number)
        elif line.strip() and line[0] not in " #":
            break
    return found
