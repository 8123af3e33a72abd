"""`aiodoo schema`: the JSON Schema of what commands print."""

from __future__ import annotations

from typing import Any

from aiodoo.cli.records.printed import PRINTED, SCHEMA
from aiodoo.cli.terminal.messages import Messages
from aiodoo.cli.terminal.process import DONE, USAGE


def schema(name: str | None = None, /) -> int:
    """Print the JSON Schema of what -o json prints.

    Each record names its kind, and has the same keys wherever it is printed. The schema's version changes when a key is
    removed, renamed or gets another meaning.

    Parameters
    ----------
    name
        A kind of record, such as webhook or outcome; all by default.
    """
    import json  # noqa: PLC0415  # --help does without

    text = SCHEMA.read_text(encoding="utf-8")
    if name is None:
        print(text, end="")
        return DONE
    whole: dict[str, Any] = json.loads(text)
    kinds = {kind for printed in PRINTED.values() for kind in (*printed.kinds, *printed.dry)}
    if name not in kinds:
        Messages().say(f"no kind of record is {name!r}; there are {', '.join(sorted(kinds))}.", level="error")
        return USAGE
    del whole["$defs"]["Record"], whole["anyOf"]
    print(json.dumps({**whole, "$ref": f"#/$defs/{name.capitalize()}"}, indent=1))
    return DONE
