"""Generates the JSON Schema of the format from its classes, for completion and checks in editors."""

from __future__ import annotations

import collections.abc
import inspect
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import msgspec

from aiodoo.desired.file.document import Document, Manage, Selection, Word

SCHEMA = Path(__file__).with_name("schema.json")
"""The path of the schema file in the package."""

_WORD = {"type": ["string", "integer"]}
_PLAIN: dict[Any, dict[str, Any]] = {
    Any: {},
    Word: _WORD,
    bool: {"type": "boolean"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}
_KEYWORDS = {"description": "description", "pattern": "pattern", "least": "minItems"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema as plain data."""
    definitions: dict[str, Any] = {}
    top = _of_class(Document, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aiodoo's desired state",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def written() -> bytes:
    """Return the content of the schema file."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def _of_class(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    fields = attrs.fields(attrs.resolve_types(cls))
    properties = {field.name: _of_field(field, definitions) for field in fields}
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    made: dict[str, Any] = {
        "type": "object",
        "description": (inspect.getdoc(cls) or "").split("\n")[0],
        "properties": properties,
        "additionalProperties": False,
    }
    return made | ({"required": required} if required else {})


def _of_field(field: attrs.Attribute[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    made = _of_type(field.type, definitions)
    made = made | {ours: field.metadata[its] for its, ours in _KEYWORDS.items() if its in field.metadata}
    if "known" in field.metadata:
        made = {"anyOf": [{"enum": list(field.metadata["known"])}, {"type": "string"}], **made}
        del made["type"]
    if isinstance(field.default, str | bool):
        made = made | {"default": field.default}
    return made


def _of_type(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(cls), get_args(cls)
    if origin is Literal:
        return {"const": arguments[0]}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [_of_type(each, definitions) for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _of_type(arguments[0], definitions)}
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _of_type(arguments[1], definitions)}
    return _of_named_class(cls, definitions) if attrs.has(cls) else dict(_PLAIN[cls])


def _of_named_class(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}
        made = _of_class(cls, definitions)
        if cls is Selection:
            made = {"anyOf": [{"const": "all"}, {"type": "array", "items": dict(_WORD)}, made]}
        if cls is Manage:
            made |= {"oneOf": [{"required": [name]} for name in ("all", "name_prefix", "marker")]}
        definitions[name] = made
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    SCHEMA.write_bytes(written())
