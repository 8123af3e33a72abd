"""JSON Schemas as msgspec makes them of classes, in the form in which they are shipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

DEFS: Final = "#/$defs/"
"""What references to definitions begin with."""


def named(form: str) -> str:
    """Return the name of a class for that of its form."""
    return form.removesuffix("Form")


def simplified(part: Any) -> Any:
    """Return a part of a schema with the names of the classes in place of those of their forms."""
    if isinstance(part, list):
        return [simplified(item) for item in part]
    if not isinstance(part, dict):
        return named(part) if isinstance(part, str) and part.startswith(DEFS) else part
    made = {name: simplified(item) for name, item in part.items() if name not in {"title", "discriminator"}}
    choices = made.get("anyOf", [{}])
    if all(each.keys() == {"type"} for each in choices):
        del made["anyOf"]
        return {"type": [each["type"] for each in choices], **made}
    return made


def used_in(part: Any, found: Mapping[str, Any]) -> set[str]:
    """Return the definitions that a part of a schema leads to."""
    used: set[str] = set()
    waiting = _references(part)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting |= _references(found[name])
    return used


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set[str]().union(*map(_references, part))
    if isinstance(part, dict):
        return set[str]().union(*map(_references, part.values()))
    return {part.removeprefix(DEFS)} if isinstance(part, str) and part.startswith(DEFS) else set()


def written_by_line(schema: Mapping[str, Any]) -> bytes:
    """Return a schema as its file holds it: a line for each definition."""
    whole = dict(schema)
    defs = ",\n".join(
        f"  {json.dumps(each)}: {json.dumps(made)}" for each, made in whole.pop("$defs").items()
    )
    head = ",\n".join(f" {json.dumps(each)}: {json.dumps(made)}" for each, made in whole.items())
    return f'{{\n{head},\n "$defs": {{\n{defs}\n }}\n}}\n'.encode()
