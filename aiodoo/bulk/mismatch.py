"""Compares two lists of operations and names the rows and fields that differ, never a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Any

import attrs

from aiodoo.operations import Operation, encoding
from aiodoo.secret import Secret

NAMED = 5
"""Rows that a message names."""

_PLACE = "$secret"
_UNKNOWN = {_PLACE: "unknown"}


@attrs.frozen(kw_only=True)
class RowDifference:
    """One row in which the operations that were passed differ from those in the journal.

    Attributes:
        index: the number of the row, from 0.
        team_id, webhook_id: from the journal, or from the operation that was passed if the journal has none.
        what: the fields that differ, or another difference as text.
    """

    index: int
    team_id: str
    webhook_id: str | None
    what: str

    def __str__(self) -> str:
        webhook = "" if self.webhook_id is None else f", webhook {self.webhook_id}"
        return f"row {self.index} (team {self.team_id}{webhook}): {self.what}"


def differing_rows(
    before: Sequence[Operation], passed: Sequence[Operation], key: bytes
) -> Iterator[RowDifference]:
    """Yield the rows that differ, in order; secrets without a fingerprint count as equal.

    Args:
        before: the operations of the journal.
        passed: the operations that were passed with it.
        key: the key of secrets' fingerprints.
    """
    for index, (old, new) in enumerate(zip_longest(before, passed)):
        what = _what_differs(old, new, key)
        if what is not None:
            operation = new if old is None else old
            yield RowDifference(
                index=index,
                team_id=operation.team_id,
                webhook_id=getattr(operation, "webhook_id", None),
                what=what,
            )


def described(before: Sequence[Operation], passed: Sequence[Operation], key: bytes) -> str:
    """Return a text with the numbers of operations and the first rows that differ."""
    counts = (
        f"{len(passed)} operations were passed, and the journal has {len(before)}"
        if len(before) != len(passed)
        else f"of {len(passed)} operations"
    )
    rows = list(islice(differing_rows(before, passed, key), NAMED + 1))
    if not rows:
        return f"{counts}, all are the same but for secrets that were given as bare values"
    first = "; ".join(str(row) for row in rows[:NAMED])
    return f"{counts}; the first to differ: {first}{'; and more' if len(rows) > NAMED else ''}"


def _what_differs(old: Operation | None, new: Operation | None, key: bytes) -> str | None:
    if old is None:
        return "the journal has no such row"
    if new is None:
        return "it was not passed"
    if old.word != new.word:
        return f"{new.word} instead of {old.word}"
    if old.team_id != new.team_id:
        return f"team {new.team_id} instead of {old.team_id}"
    ids = getattr(old, "webhook_id", None), getattr(new, "webhook_id", None)
    if ids[0] != ids[1]:
        return f"webhook {ids[1]} instead of {ids[0]}"
    fields = sorted(set(_differing_fields(_plain(old, key), _plain(new, key), "")))
    return ", ".join(fields) if fields else None


def _plain(operation: Operation, key: bytes) -> Any:
    plain = encoding.encode_with(operation, _place(key))
    return plain.get("config", plain.get("changes", {}))


def _place(key: bytes) -> Callable[[Secret], Any]:
    def place(secret: Secret) -> dict[str, Any]:
        is_unknown = isinstance(secret, encoding.UnknownSecret) and secret.fingerprint is None
        return dict(_UNKNOWN) if is_unknown else encoding.placed(secret, key)

    return place


def _differing_fields(old: Any, new: Any, where: str) -> Iterator[str]:
    """Yield the paths of the fields that differ."""
    if old == new or _UNKNOWN in (old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and _PLACE not in {*old, *new}:
        for name in old.keys() | new.keys():
            yield from _differing_fields(
                old.get(name), new.get(name), f"{where}.{name}" if where else str(name)
            )
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differing_fields(before, after, f"{where}[{number}]")
    else:
        yield where or "all of it"
