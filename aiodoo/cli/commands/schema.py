"""`aiodoo schema`: the JSON Schema of what commands print."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from aiodoo.cli.records.printed import PRINTED, SCHEMA
from aiodoo.cli.terminal.exit_codes import DONE, USAGE
from aiodoo.cli.terminal.messages import Messages


def _kinds(_: object = None) -> list[str]:
    return sorted({kind for printed in PRINTED.values() for kind in (*printed.kinds, *printed.dry)})


def schema(kind: Annotated[str | None, Parameter(completer=_kinds)] = None, /) -> int:
    """Print the JSON Schema of what -o json prints.

    Each record names its kind, and has the same keys wherever it is printed. The schema's version changes when a key is
    removed, renamed or gets another meaning.

    Parameters
    ----------
    kind
        A kind of record, such as webhook or outcome; all by default.
    """
    import json  # noqa: PLC0415  # --help does without

    text = SCHEMA.read_text(encoding="utf-8")
    if kind is None:
        print(text, end="")
        return DONE
    if kind not in _kinds():
        Messages().say(f"no kind of record is {kind!r}; there are {', '.join(_kinds())}.", level="error")
        return USAGE
    whole: dict[str, Any] = json.loads(text)
    del whole["$defs"]["Record"], whole["anyOf"]
    print(json.dumps({**whole, "$ref": f"#/$defs/{kind.capitalize()}"}, indent=1))
    return DONE
