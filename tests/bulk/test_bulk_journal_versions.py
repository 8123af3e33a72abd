"""Journals of earlier versions are gone on with, those of later ones are left alone; in simulated time."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bulk_world import session, world
from simulated import SimulatedClock, simulate

from aiodoo import JournalMismatch
from aiodoo.bulk.journal.sqlite import NEWEST
from aiodoo.sandbox import Box

SQL = "CREATE TABLE kept (kind TEXT, key TEXT, value TEXT, seal INTEGER, PRIMARY KEY (kind, key))"

RUN: dict[int, Any] = {
    1: {"digest": "0" * 64, "operations": 4},
    2: {"digest": "0" * 64, "operations": 4, "name": "3f9c2a71", "listings": {}},
}
OLD = {"reason": None, "scope_unknown": False, "error": None}
CHANGE: dict[int, Any] = {1: OLD, 2: OLD | {"adopted": False}}


def write_journal(path: Path, schema: int, box: Box, account: str) -> None:
    """Write, as that version did, a run that was broken off: one copy made, one delete asked for, one create in doubt."""
    first, second, _ = (item["id"] for item in box.live("111"))
    copy = {name: value for name, value in box.live("111")[0].items() if name != "id"} | {
        "description": "moved"
    }
    made = box.foreign_create("111", copy, now=0.0)
    box.foreign_delete(second, now=0.0)
    hooks = [{"type": "event_created", "endpoint": "https://new.example/doo"}]
    created = {"is": "create", "team": "112", "config": {"name": "new", "hooks": hooks}}
    rows = [
        ("run", "run", RUN[schema] | {"account": account}),
        (
            "operation",
            "0",
            {"is": "update", "team": "111", "webhook": first, "changes": {"description": "moved"}},
        ),
        ("operation", "1", {"is": "delete", "team": "111", "webhook": second}),
        ("operation", "2", created),
        ("operation", "3", {"is": "ensure", "team": "113", "config": {"name": "new", "hooks": hooks}}),
        ("team", "111", {"baseline": [item["id"] for item in box.live("111")], "renamed": {}}),
        ("team", "112", {"baseline": [item["id"] for item in box.live("112")], "renamed": {}}),
        ("change", "0", state(schema, "created", 1, 0, old_id=first, new_id=made)),
        ("change", "1", state(schema, "delete_intent", 0, 1, old_id=second, new_id=None)),
        ("change", "2", state(schema, "create_intent", 1, 0, old_id=None, new_id=None)),
        ("deleted", second, {"id": second, "name": "gone", "hooks": hooks}),
        ("sent", "sent", {"list": 2, "create": 2, "delete": 1}),
    ]
    if schema > 1:
        rows.append(("written_at", "written_at", "2026-03-02T09:00:00+00:00"))
    rows[5][2]["baseline"] = [id_ for id_ in (*rows[5][2]["baseline"], second) if id_ != made]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(SQL)
        for kind, key, value in rows:
            text = json.dumps(value)
            seal = zlib.crc32(f"{kind}\0{key}\0{text}".encode())
            database.execute("INSERT INTO kept VALUES (?, ?, ?, ?)", (kind, key, text, seal))
        database.execute(f"PRAGMA user_version = {schema}")
    database.close()


def state(schema: int, stage: str, creates: int, deletes: int, **ids: str | None) -> dict[str, Any]:
    """Return how far a change had come."""
    return (
        CHANGE[schema]
        | ids
        | {"stage": stage, "status": None, "creates_sent": creates, "deletes_sent": deletes}
    )


def both(path: Path) -> list[bytes]:
    """Return a journal and its write-ahead log."""
    return [Path(f"{path}{end}").read_bytes() for end in ("", "-wal")]


@pytest.mark.parametrize("schema", [1, 2])
def test_a_journal_of_an_earlier_version_is_gone_on_with(tmp_path: Path, schema: int) -> None:
    """What it tells is true, the run is finished from it, and the file is of today's version from then on."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            path = tmp_path / "journal"
            write_journal(path, schema, box, doo._parts.owner.account)
            before = path.read_bytes()
            report = await doo.bulk.report(path)
            assert [outcome.status for outcome in report] == [
                "unfinished",
                "unfinished",
                "unknown",
                "not_started",
            ]
            assert path.read_bytes() == before, "reading changes nothing"
            report = await doo.bulk.resume(path)
            assert report.counts()["applied"] == 4
            assert report.requests.creates == 2 + 2
            assert len(box.live("111")) == 2
            assert [item["name"] for item in box.live("112")].count("new") == 1
            assert [item["name"] for item in box.live("113")].count("new") == 1
            assert path.read_bytes().startswith(b"aiodoo journal 3 ")
            beside = [each.name for each in tmp_path.iterdir()]  # noqa: ASYNC240  # as above
            assert beside == ["journal"], "nothing is left of the older form"
            undo = await doo.bulk.undo(path)
            assert [operation.word for operation in undo.operations] == [
                "update",
                "create",
                "delete",
                "delete",
            ]

    simulate(main)


def test_these_are_all_versions_of_the_older_form() -> None:
    """What each of them looked like is written down here."""
    assert max(RUN) == NEWEST


def test_a_journal_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    """It is refused by name of its version, and neither it nor its write-ahead log is changed by a byte."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=3) as (doo, box):
            written = tmp_path / "written"
            database = sqlite3.connect(written)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(SQL)
            database.execute(f"PRAGMA user_version = {NEWEST + 1}")
            path = tmp_path / "journal"
            for end in ("", "-wal"):
                shutil.copy(f"{written}{end}", f"{path}{end}")
            database.close()
            before = both(path)
            async with session(clock, box) as other:
                for use in (
                    lambda: doo.bulk.run([], journal=path),
                    lambda: other.bulk.resume(path),
                    lambda: doo.bulk.report(path),
                    lambda: doo.bulk.undo(path),
                ):
                    with pytest.raises(
                        JournalMismatch, match=rf"newer version of aiodoo \(schema {NEWEST + 1}\)"
                    ):
                        await use()
            assert both(path) == before
            assert box.log.total == 0

    simulate(main)
