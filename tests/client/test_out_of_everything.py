"""A process without threads, file descriptors or an event loop of asyncio's gets a DooError from every call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from resource_limits import no_descriptors, no_threads
from wired import Impatient

import aiodoo

# Loaded when they are first used; a program that cannot open a module's file then gets Python's own error.
import aiodoo.driver.single_change
import aiodoo.driver.single_ensure
from aiodoo import AddWebhook, Create, Delete, DooError, Hook, Session, Tenants
from aiodoo.errors import ConfigError
from aiodoo.sandbox import Sandbox

pytestmark = pytest.mark.anyio

Call = Callable[[Session, str, Path], Awaitable[object]]

HOOK = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])


async def _stream(doo: Session, team: str, folder: Path) -> None:
    async with doo.bulk.stream([Create(team, HOOK)], journal=folder / "run.journal") as outcomes:
        async for _ in outcomes:
            pass


async def _walk(doo: Session, team: str, _: Path) -> None:
    async with doo.webhooks.list(team) as walk:
        async for _each in walk:
            pass


SINGLE: dict[str, Call] = {
    "team": lambda doo, _, __: doo.organizations.active_team(),
    "list": lambda doo, team, _: doo.webhooks.list(team).collect(),
    "walk": _walk,
    "create": lambda doo, team, _: doo.webhooks.create(team, HOOK),
    "update": lambda doo, team, _: doo.webhooks.update(team, "x", name="crm 2"),
    "replace": lambda doo, team, _: doo.webhooks.replace(team, "x", HOOK),
    "delete": lambda doo, _, __: doo.webhooks.delete("x"),
    "confirmed delete": lambda doo, team, _: doo.webhooks.delete("x", confirm_in=team),
    "forecast": lambda doo, team, _: doo.bulk.forecast([Delete(team, "x")]),
    "run": lambda doo, team, _: doo.bulk.run([Create(team, HOOK)]),
}
LEDGER = ("list", "create", "update", "run")
"""All ask the ledger in one way; a run claims its teams before that."""
FILES: dict[str, Call] = {
    "run": lambda doo, team, folder: doo.bulk.run([Create(team, HOOK)], journal=folder / "run.journal"),
    "stream": _stream,
    "resume": lambda doo, _, folder: doo.bulk.resume(folder / "done.journal"),
    "report": lambda doo, _, folder: doo.bulk.report(folder / "done.journal"),
    "verify": lambda doo, _, folder: doo.bulk.verify(folder / "done.journal"),
    "undo": lambda doo, _, folder: doo.bulk.undo(folder / "done.journal"),
    "abandon": lambda doo, _, folder: doo.bulk.abandon(journal=folder / "done.journal"),
    "plan": lambda doo, _, folder: doo.desired.plan(folder / "webhooks.yaml"),
    "read": lambda doo, _, folder: doo.desired.read(folder / "plan.json"),
}


def _session(box: Sandbox, url: str | None = None, **options: Any) -> Session:
    return Session(
        base_url=url or box.url,
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=aiodoo.Limits(per_second=1000, per_day=1000),
        deadline=5.0,
        clock=Impatient(),
        **options,
    )


async def _refused(call: Awaitable[object], **attributes: object) -> str:
    """Return what a call says that has to end with a DooError, and soon."""
    async with asyncio.timeout(20):
        with pytest.raises(DooError) as raised:
            await call
    for name, value in attributes.items():
        assert getattr(raised.value, name) == value
    return str(raised.value)


@pytest.mark.parametrize("name", LEDGER)
async def test_without_a_thread_for_the_ledger_nothing_is_sent(name: str, tmp_path: Path) -> None:
    """A call says so, and the same session goes on once there are threads again; nothing is left to be done later."""
    async with (
        Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box,
        _session(box, quota=aiodoo.quota.SQLite(tmp_path / "quota.db")) as doo,
    ):
        with no_threads():
            said = await _refused(SINGLE[name](doo, box.teams[0], tmp_path))
            assert "can't start new thread" in said
            assert "nothing was sent" in said
        assert box.count() == 0
        assert not (tmp_path / "quota.db").exists()
        assert len(await doo.webhooks.list(box.teams[0]).collect()) == 1
        assert (await doo.quota.usage()).used == box.count() == 2


@pytest.mark.parametrize("name", FILES)
async def test_without_a_thread_for_files_nothing_is_sent(name: str, tmp_path: Path) -> None:
    """Whatever reads or writes a file says so, touches none, and does what it should once there are threads."""
    async with Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box:
        async with _session(box) as doo:
            await doo.bulk.run([Create(box.teams[0], HOOK)], journal=tmp_path / "done.journal")
        sent, content = box.count(), (tmp_path / "done.journal").read_bytes()
        async with _session(box) as doo:
            with no_threads():
                said = await _refused(FILES[name](doo, box.teams[0], tmp_path))
                assert "can't start new thread" in said
            assert box.count() == sent
            assert (tmp_path / "done.journal").read_bytes() == content
            assert not (tmp_path / "run.journal").exists()
            report = await doo.bulk.run([Create(box.teams[0], HOOK)], journal=tmp_path / "run.journal")
            assert report.counts()["applied"] == 1
            assert len(box.live(box.teams[0])) == 3


async def test_without_a_thread_to_resolve_names_nothing_is_sent() -> None:
    """A host's name is looked up in a thread; that there is none is said as such, and no outage is waited for."""
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box:
        named = box.url.replace("127.0.0.1", "localhost")
        async with _session(box, named) as doo:
            with no_threads():
                said = await _refused(doo.organizations.active_team(), sent=False, unreachable=False)
                assert "can't start new thread" in said
                said = await _refused(doo.bulk.run([Create(box.teams[0], HOOK)]))
                assert "can't start new thread" in said
            assert box.count() == 0
            await doo.organizations.active_team()


async def test_without_a_thread_a_session_can_be_closed(tmp_path: Path) -> None:
    """Closing needs no thread where none was used, with a ledger in a file or without."""
    async with Sandbox(organizations=1, webhooks_per_team=0, plan=None) as box:
        with no_threads():
            async with _session(box, quota=aiodoo.quota.SQLite(tmp_path / "quota.db")):
                pass
            doo = _session(box, quota=aiodoo.quota.SQLite(tmp_path / "quota.db"))
            await _refused(doo.organizations.active_team())
            await doo.aclose()
            await _session(box).aclose()


async def test_without_a_thread_to_load_profiles_each_tenant_says_so(tmp_path: Path) -> None:
    """The profiles of many tenants are read in threads; each tenant's error is a DooError."""
    config = tmp_path / "config.toml"
    config.write_text('[profiles.a]\napi_key = "k"\nclient_id = "i"\nclient_secret = "s"\n')
    config.chmod(0o600)
    with no_threads():
        async with Tenants({"a": "a"}, config=config) as tenants:
            found = await tenants.each(lambda _, doo: doo.organizations.active_team())
    assert isinstance(found["a"], ConfigError)
    assert "can't start new thread" in str(found["a"])


@pytest.mark.parametrize(
    ("name", "shared"), [*((name, False) for name in SINGLE), *((name, True) for name in LEDGER)]
)
async def test_without_file_descriptors_nothing_is_sent(
    name: str,
    shared: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """Neither a connection nor a ledger can be opened; the call says so, and the session goes on afterwards."""
    ledger = aiodoo.quota.SQLite(tmp_path / "quota.db") if shared else None
    async with (
        Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box,
        _session(box, quota=ledger) as doo,
    ):
        with no_descriptors():
            said = await _refused(SINGLE[name](doo, box.teams[0], tmp_path))
            assert "Too many open files" in said
            assert "nothing was sent" in said
        assert box.count() == 0
        assert len(await doo.webhooks.list(box.teams[0]).collect()) == 1
        assert (await doo.quota.usage()).used == box.count() == 2


@pytest.mark.parametrize("name", FILES)
async def test_without_file_descriptors_no_file_is_spoiled(name: str, tmp_path: Path) -> None:
    """Whatever reads or writes a file says so, and that file can be used once there are descriptors."""
    async with (
        Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box,
        _session(box) as doo,
    ):
        await doo.bulk.run([Create(box.teams[0], HOOK)], journal=tmp_path / "done.journal")
        sent, content = box.count(), (tmp_path / "done.journal").read_bytes()
        with no_descriptors():
            assert "Too many open files" in await _refused(FILES[name](doo, box.teams[0], tmp_path))
        assert box.count() == sent
        assert (tmp_path / "done.journal").read_bytes() == content
        report = await doo.bulk.run([Create(box.teams[0], HOOK)], journal=tmp_path / "run.journal")
        assert report.counts()["applied"] == 1
        assert len(box.live(box.teams[0])) == 3
        await doo.bulk.verify(tmp_path / "done.journal")


async def test_without_file_descriptors_a_ledger_that_is_open_loses_nothing(tmp_path: Path) -> None:
    """SQLite needs a descriptor for each write; a call that has none is refused, and what was counted still is."""
    async with (
        Sandbox(organizations=1, webhooks_per_team=1, plan=None) as box,
        _session(box, quota=aiodoo.quota.SQLite(tmp_path / "quota.db")) as doo,
    ):
        await doo.organizations.active_team()
        while doo._parts.account._exchange is not None:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)  # it has a descriptor meanwhile, and nothing says until when
        with no_descriptors():
            assert "quota.db" in await _refused(doo.organizations.active_team())
        assert box.count() == 2
        await doo.organizations.active_team()
        assert (await doo.quota.usage()).used == box.count() == 3


@pytest.mark.parametrize("name", [*SINGLE, *FILES, "close", "enter"])
def test_without_an_event_loop_of_asyncio_nothing_is_sent(name: str, tmp_path: Path) -> None:
    """What trio's loop, or somebody who drives a coroutine by hand, gets is an error that names asyncio."""
    doo = Session(
        base_url="https://doo.example/v1", api_key="k", client_id="i", client_secret="s", deadline=5.0
    )
    calls: dict[str, Call] = {
        **SINGLE,
        **FILES,
        "close": lambda doo, *_: doo.aclose(),
        "enter": lambda doo, *_: doo.__aenter__(),
    }
    call = calls[name](doo, "111", tmp_path)
    assert isinstance(call, Coroutine)
    with pytest.raises(DooError, match="needs a running asyncio event loop"):
        call.send(None)
