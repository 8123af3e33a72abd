"""Reads a file's content into the classes of the format, with the position of every fault."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import cattrs

from aiodoo.desired.file.document import Document, Selection, Word
from aiodoo.desired.file.yaml_reading import Fault, Source
from aiodoo.models import from_plain
from aiodoo.models.from_plain import Misfit


def read_document(source: Source) -> Document:
    """Return the document of a file.

    Raises:
        ConfigError: the file does not fit the format. The message has file, line, column and remedy.
    """
    if source.data is None:
        raise source.error([Fault(1, 1, "is empty; declare at least aiodoo: 1, manage, teams and webhooks")])
    try:
        return from_plain.read(source.data, Document, _converter())
    except from_plain.Unreadable as error:
        faults = error.faults
    raise source.error(source.misread(fault) for fault in faults)


def _word(value: object, _type: object) -> Word:
    return Word(str(value) if type(value) is int else from_plain.read_text(value))


def _version(value: object, _type: object) -> int:
    if type(value) is not int or value != 1:
        raise Misfit("must be 1, the only version of this format so far")
    return value


def _selection(value: object, _type: object) -> Any:
    """Read `all`, a list of team ids, or a whole selection."""
    match value:
        case "all":
            return Selection(all=True)
        case list():
            return Selection(ids=_converter().structure(value, tuple[Word, ...]))
        case Mapping():
            return from_plain.object_of(Selection, _converter())(value, Selection)
    raise Misfit("must be all, a list of team ids, or a selection")


@cache
def _converter() -> cattrs.Converter:
    converter = from_plain.new_converter()
    converter.register_structure_hook_func(from_plain.of_origin(Literal), _version)
    converter.register_structure_hook(Word, _word)
    converter.register_structure_hook(Selection, _selection)
    return converter
