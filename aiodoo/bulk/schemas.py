"""JSON Schemas of plain operations, outcomes, forecasts, progress, reports and verifications, made of their forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.bulk.verification import Verification
from aiodoo.operations.forecast import Forecast
from aiodoo.operations.operation_form import FORMS, PlainOperation
from aiodoo.operations.records import form_of
from aiodoo.plain.document import FORMAT
from aiodoo.plain.error_form import described

_RECORDS: Final[Mapping[str, type]] = {
    cls.__name__.lower(): cls for cls in (Outcome, Forecast, Progress, Report, Verification)
}

SCHEMAS: Final[Mapping[str, Path]] = {
    name: Path(__file__).with_name(f"{name}.schema.json") for name in ("operation", *_RECORDS)
}
"""The schema of each kind of document, as it is shipped."""

_DEFS = "#/$defs/"
_SAID_ELSEWHERE = frozenset({"Missing", "Status"})
"""Definitions that are public classes, whose docstrings are for Python."""


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of document."""
    forms = [FORMS if name == "operation" else form_of(_RECORDS[name]), FORMS, described()]
    [top, operation, _], made = msgspec.json.schema_components(
        forms, schema_hook=_of_class, ref_template=_DEFS + "{name}"
    )
    found = {_named(each): _plain(part) for each, part in {**made, "Operation": operation}.items()}
    for each in _SAID_ELSEWHERE & found.keys():
        del found[each]["description"]
    top = {"$ref": f"{_DEFS}Operation"} if name == "operation" else _plain(top)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"aiodoo: {name}",
        "type": "object",
        "properties": {"format": {"const": FORMAT}},
        "required": ["format"],
        **top,
        "$defs": {each: found[each] for each in sorted(_used(top, found))},
    }


def written(name: str) -> bytes:
    """Return a schema as its file holds it: a line for each definition."""
    whole = schema(name)
    defs = ",\n".join(
        f"  {json.dumps(each)}: {json.dumps(made)}" for each, made in whole.pop("$defs").items()
    )
    head = ",\n".join(f" {json.dumps(each)}: {json.dumps(made)}" for each, made in whole.items())
    return f'{{\n{head},\n "$defs": {{\n{defs}\n }}\n}}\n'.encode()


def _of_class(kind: type) -> dict[str, Any]:
    return {"$ref": _DEFS + ("Operation" if kind is PlainOperation else "Error")}


def _named(form: str) -> str:
    return form.removesuffix("Form")


def _plain(part: Any) -> Any:
    """Return a part of a schema with the names of the classes in place of those of their forms."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return _named(part) if isinstance(part, str) and part.startswith(_DEFS) else part
    made = {name: _plain(item) for name, item in part.items() if name not in {"title", "discriminator"}}
    choices = made.get("anyOf", [{}])
    if all(each.keys() == {"type"} for each in choices):
        del made["anyOf"]
        return {"type": [each["type"] for each in choices], **made}
    return made


def _used(part: Any, found: Mapping[str, Any]) -> set[str]:
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
    return {part.removeprefix(_DEFS)} if isinstance(part, str) and part.startswith(_DEFS) else set()


if __name__ == "__main__":
    for each, path in SCHEMAS.items():
        path.write_bytes(written(each))
