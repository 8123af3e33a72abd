"""The JSON Schema that editors use: made of the code, and shipped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from desired_world import CRM
from jsonschema import Draft202012Validator
from test_desired_docs import PAGE
from test_desired_files import BROKEN, SELECTIONS

from aiodoo import ConfigError
from aiodoo.desired import SCHEMA
from aiodoo.desired.file.document import Document
from aiodoo.desired.file.document_structure import read_document
from aiodoo.desired.file.schema import schema, written
from aiodoo.desired.file.yaml_reading import parse

VALIDATOR = Draft202012Validator(schema())


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


def checked(text: str) -> tuple[bool, bool]:
    """Return whether a file's shape is right, as an editor sees it, and as `plan` does."""
    found = parse(text, name="doo.yaml", folder=Path())
    try:
        read_document(found)
    except ConfigError:
        return VALIDATOR.is_valid(found.data), False
    return VALIDATOR.is_valid(found.data), True


@pytest.mark.parametrize("teams", SELECTIONS)
def test_what_plan_takes_an_editor_takes(teams: str) -> None:
    """The printed example, the file of the tests, and every way to name teams."""
    [printed] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for text in (printed, CRM, CRM.replace("teams: all", f"teams: {teams}")):
        assert checked(text) == (True, True)


SHAPES = [
    "nothing",
    "a list",
    "another version",
    "no version",
    "a slip in a key",
    "a missing key",
    "a number for a text",
    "a text for a flag",
    "a list for a mapping",
    "null for a text",
    "teams of a webhook left blank",
    "teams that are none",
]
CONTENTS = ["nobody's", "no hooks", "a bare secret"]


@pytest.mark.parametrize("case", [*SHAPES, *CONTENTS])
def test_what_plan_refuses_for_its_shape_an_editor_marks(case: str) -> None:
    """Whatever is wrong without regard to what it means, and some of what else can be said in a schema."""
    assert checked(BROKEN[case][0]) == (False, case in CONTENTS)


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
