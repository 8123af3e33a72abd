"""What a command has printed with -o json or -o jsonl, after a look at the schema."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from aiodoo.cli.records.printed import PRINTED
from aiodoo.cli.records.schema import schema

OPEN = {"Webhook", "Hook", "Authentication"}
"""What doo lists may have more keys than aiodoo knows; all else has those of the schema."""


def _closed() -> dict[str, Any]:
    whole = schema()
    for name, part in whole["$defs"].items():
        if name not in OPEN and "properties" in part:
            part["additionalProperties"] = False
    return whole


SCHEMA = _closed()
VALID = Draft202012Validator(SCHEMA)


def records_of(command: str, printed: str, form: str = "json", *, dry: bool = False) -> list[dict[str, Any]]:
    """Return the records that a command has printed, which are of its kinds and fit the schema."""
    known = PRINTED[command]
    whole = json.loads(printed) if form == "json" else [json.loads(line) for line in printed.splitlines()]
    VALID.validate(whole)
    assert isinstance(whole, dict) == (form == "json" and known.one and not (dry and known.dry)), command
    found = [whole] if isinstance(whole, dict) else whole
    kinds = known.dry if dry and known.dry else known.kinds
    assert {record["kind"] for record in found} <= set(kinds), command
    for record in found:
        # A record that fits some kind must fit its own.
        own = {**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{record['kind'].capitalize()}"}]}
        Draft202012Validator(own).validate(record)
    return found
