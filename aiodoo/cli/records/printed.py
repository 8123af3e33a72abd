"""Which kinds of records each command prints, and the fields that `--fields` can choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

SCHEMA: Final = Path(__file__).with_name("output.schema.json")
"""The JSON Schema of all records; `aiodoo schema` prints it."""


@attrs.frozen
class Printed:
    """What a command prints with `-o json`.

    Attributes:
        kinds: the kinds of its records, the one that its table shows first.
        one: whether it prints one record, and not a list.
        dry: the kinds with --dry-run, if they are others.
    """

    kinds: tuple[str, ...]
    one: bool = False
    dry: tuple[str, ...] = ()


_CHANGING = Printed(("outcome", "run"), dry=("change", "forecast"))
_ONE_CHANGE = attrs.evolve(_CHANGING, one=True)
_NOTHING = Printed(())

PRINTED: Final[Mapping[str, Printed]] = {
    "whoami": Printed(("account",)),
    "quota": Printed(("quota",)),
    "organizations list": Printed(("organization",)),
    "profiles list": Printed(("profile",)),
    "profiles show": Printed(("profile",), one=True),
    "doctor": Printed(("check",)),
    "webhooks list": Printed(("webhook",)),
    "webhooks show": Printed(("webhook",), one=True),
    "webhooks create": _ONE_CHANGE,
    "webhooks update": _ONE_CHANGE,
    "webhooks delete": _CHANGING,
    "webhooks initialize": Printed(("initialization",), one=True),
    "export": Printed(("webhook",)),
    "audit": Printed(("finding",)),
    "copy": _CHANGING,
    "move-host": _CHANGING,
    "rotate-secret": _CHANGING,
    "validate": Printed(("validation",), one=True),
    "plan": Printed(("plan", "change"), one=True),
    "apply": attrs.evolve(_CHANGING, dry=("change", "plan")),
    "runs list": Printed(("run",)),
    "runs show": Printed(("run", "outcome"), one=True),
    "runs resume": attrs.evolve(_CHANGING, dry=("run",)),
    "runs verify": Printed(("difference",)),
    "runs undo": _CHANGING,
    "trigger": Printed(("delivery",)),
    "listen": Printed(("received",)),
}
"""What each command prints; one that is not named prints no records."""


def wrong_field(command: str, fields: Iterable[str], *, dry_run: bool) -> str | None:
    """Return what is wrong with the fields that were chosen for a command's output; None if nothing is."""
    printed = PRINTED.get(command, _NOTHING)
    kinds = printed.dry if dry_run and printed.dry else printed.kinds
    if not kinds:
        return f"aiodoo {command} prints no records, so --fields has nothing to choose from."
    for field in fields:
        known = _names(field.split("."), kinds[0])
        if known is not None:
            return f"no {kinds[0]} has a field {field!r}; there are {', '.join(known)}. Nothing was sent."
    return None


def _names(path: Sequence[str], kind: str) -> list[str] | None:
    """Return the names that there are where a path leads nowhere; None if it leads somewhere."""
    part, before, names = definitions()[kind.capitalize()], "", [kind]
    for name in path:
        part = _object(part)
        known = part.get("properties")
        if known is None:
            return None if "object" in part.get("type", "object") else names
        names = [f"{before}{each}" for each in known]
        if name not in known:
            return names
        part, before = known[name], f"{before}{name}."
    return None


def _object(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of the objects that a part of a schema allows, also in a list."""
    if "$ref" in part:
        return _object(definitions()[part["$ref"].rpartition("/")[2]])
    if "items" in part:
        return _object(part["items"])
    for choice in part.get("anyOf", ()):
        if choice != {"type": "null"}:
            return _object(choice)
    return part


@cache
def definitions() -> dict[str, Any]:
    """Return the definitions of the shipped schema."""
    import json  # noqa: PLC0415  # --help does without

    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return found


def picked(record: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return a record with the chosen fields only, in that order; what is not there is null."""
    made: dict[str, Any] = {}
    for field in fields:
        _put(made, record, field.split("."))
    return made


def _put(made: dict[str, Any], value: Any, path: Sequence[str]) -> None:
    name, *inside = path
    found = value.get(name) if isinstance(value, Mapping) else None
    if not inside or found is None:
        made[name] = found
    elif isinstance(found, list):
        parts = made.setdefault(name, [{} for _ in found])
        for part, item in zip(parts, found, strict=True):
            _put(part, item, inside)
    else:
        _put(made.setdefault(name, {}), found, inside)


def cell(value: Any, path: Sequence[str]) -> str:
    """Return the text of a field for one cell of a table; a line for each item of a list."""
    if isinstance(value, list):
        return "\n".join(cell(item, path) for item in value)
    if path and isinstance(value, Mapping):
        return cell(value.get(path[0]), path[1:])
    if isinstance(value, bool):
        return ("no", "yes")[value]
    if isinstance(value, Mapping):
        import json  # noqa: PLC0415  # --help does without

        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)
