"""The JSON Schema of the records that commands print, made of their classes."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import msgspec

from aiodoo.cli.records.kinds import KINDS
from aiodoo.cli.records.printed import SCHEMA
from aiodoo.plain.json_schema import DEFS, simplified, written_by_line

VERSION: Final = 1
"""The version of the records: it changes when a key is removed, renamed or gets another meaning."""

_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n        .+)*)", re.MULTILINE)


def schema() -> dict[str, Any]:
    """Return the schema of what a command prints: one record, or a list."""
    _, made = msgspec.json.schema_components(KINDS, ref_template=DEFS + "{name}")
    record = {"anyOf": [{"$ref": f"{DEFS}{kind.__name__}"} for kind in KINDS]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aiodoo: what commands print with -o json",
        "version": VERSION,
        "anyOf": [{"$ref": f"{DEFS}Record"}, {"type": "array", "items": {"$ref": f"{DEFS}Record"}}],
        "$defs": {"Record": record} | {name: _described(simplified(part)) for name, part in made.items()},
    }


def written() -> bytes:
    """Return the schema as its file holds it."""
    return written_by_line(schema())


def _described(part: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a class, its docstring split between the class and its members."""
    doc = inspect.cleandoc(part["description"])
    for name, text in _ATTRIBUTE.findall(doc):
        part["properties"][name] = {**part["properties"][name], "description": " ".join(text.split())}
    return {**part, "description": " ".join(doc.partition("\n\nAttributes:")[0].split())}


if __name__ == "__main__":
    SCHEMA.write_bytes(written())
