"""The JSON Schema that editors use: made of the code, and shipped."""

from __future__ import annotations

from typing import Any

import attrs

from aiodoo.desired import SCHEMA
from aiodoo.desired.document import Document
from aiodoo.desired.schema import schema, written


def test_the_shipped_schema_is_up_to_date() -> None:
    """Write it anew with `python -m aiodoo.desired.schema` when the format has changed."""
    assert SCHEMA.read_bytes() == written()


def test_it_knows_every_field_and_says_what_each_is_for() -> None:
    """No unknown keys at any depth; a sentence for every object, and for every field that is not doo's own."""
    found = schema()
    assert set(found["properties"]) == {field.name for field in attrs.fields(Document)}
    for made in (found, *found["$defs"].values()):
        [thing] = [each for each in (made, *made.get("anyOf", ())) if "properties" in each]
        assert thing["additionalProperties"] is False
        assert thing["description"].endswith(".")


def test_references_lead_somewhere() -> None:
    """Every `$ref` names a definition."""

    def references(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(references, part))
        if isinstance(part, dict):
            own = {part["$ref"]} if "$ref" in part else set()
            return own.union(*map(references, part.values()))
        return set()

    assert references(schema()) == {f"#/$defs/{name}" for name in schema()["$defs"]}
