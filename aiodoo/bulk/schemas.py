"""JSON Schemas of plain operations, outcomes, forecasts, progress, reports and verifications, made of their forms."""

from __future__ import annotations

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
from aiodoo.plain.json_schema import DEFS, named, simplified, used_in, written_by_line

_RECORDS: Final[Mapping[str, type]] = {
    cls.__name__.lower(): cls for cls in (Outcome, Forecast, Progress, Report, Verification)
}

SCHEMAS: Final[Mapping[str, Path]] = {
    name: Path(__file__).with_name(f"{name}.schema.json") for name in ("operation", *_RECORDS)
}
"""The schema of each kind of document, as it is shipped."""

_SAID_ELSEWHERE = frozenset({"Missing", "Status"})
"""Definitions that are public classes, whose docstrings are for Python."""


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of document."""
    forms = [FORMS if name == "operation" else form_of(_RECORDS[name]), FORMS, described()]
    [top, operation, _], made = msgspec.json.schema_components(
        forms, schema_hook=_of_class, ref_template=DEFS + "{name}"
    )
    found = {named(each): simplified(part) for each, part in {**made, "Operation": operation}.items()}
    for each in _SAID_ELSEWHERE & found.keys():
        del found[each]["description"]
    top = {"$ref": f"{DEFS}Operation"} if name == "operation" else simplified(top)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"aiodoo: {name}",
        "type": "object",
        "properties": {"format": {"const": FORMAT}},
        "required": ["format"],
        **top,
        "$defs": {each: found[each] for each in sorted(used_in(top, found))},
    }


def written(name: str) -> bytes:
    """Return a schema as its file holds it."""
    return written_by_line(schema(name))


def _of_class(kind: type) -> dict[str, Any]:
    return {"$ref": DEFS + ("Operation" if kind is PlainOperation else "Error")}


if __name__ == "__main__":
    for each, path in SCHEMAS.items():
        path.write_bytes(written(each))
