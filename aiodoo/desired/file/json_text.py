"""Reads a JSON file where it means the same as JSON and as YAML, without a YAML parser."""

from __future__ import annotations

import json
from typing import Any


class _Other(Exception):
    """The text means something else to the two, or has a fault that the YAML parser names."""


def read(text: str) -> dict[str, Any] | None:
    """Return the content of a JSON object; None for anything else."""
    if text.lstrip()[:1] != "{":
        return None
    try:
        found: dict[str, Any] = json.loads(
            text, object_pairs_hook=_mapping, parse_float=_number, parse_constant=_refused
        )
    except (ValueError, RecursionError, _Other):
        return None
    return found


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Other
    return found


def _number(text: str) -> float:
    number = float(text)
    if repr(number) != text:
        raise _Other
    return number


def _refused(_: str) -> None:
    raise _Other
