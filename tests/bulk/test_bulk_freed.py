"""What was read of a journal is freed in a thread, over real HTTP: at once and in the event loop it blocks other tasks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from bulk_world import UNLIMITED, config

from aiodoo import Session
from aiodoo.operations import Create
from aiodoo.sandbox import Sandbox


@pytest.mark.parametrize("call", ["verify", "undo"])
async def test_the_operations_of_a_journal_are_freed_in_a_thread(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one of them in the thread of the event loop, once the journal is verified or undone."""
    freed: list[int] = []
    async with (
        Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box,
        Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=UNLIMITED,
        ) as doo,
    ):
        journal = tmp_path / "journal"
        operations = [Create("111", config(f"new {number}")) for number in range(20)]
        assert (await doo.bulk.run(operations, journal=journal)).complete
        monkeypatch.setattr(Create, "__del__", lambda _: freed.append(threading.get_ident()), raising=False)
        result = await getattr(doo.bulk, call)(journal)
        monkeypatch.undo()
    assert len(freed) == len(operations)
    assert threading.get_ident() not in freed
    del result
