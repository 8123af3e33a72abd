"""What a receiver survives: handlers that are cancelled, a second event loop, and files that are not its own."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from serving import asked

from aiodoo import ConfigError
from aiodoo.receiver import Delivery, MemoryStorage, Receiver, SQLiteStorage, Storage, StoredDelivery


async def wait_for_something_cancelled() -> None:
    """Raise CancelledError although nobody has cancelled this task."""
    other = asyncio.ensure_future(asyncio.sleep(60))
    other.cancel()
    await other


async def test_a_handler_that_waits_for_something_cancelled_has_failed() -> None:
    """It is answered with 500, instead of not at all."""
    receiver = Receiver(client_secrets=None)

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        await wait_for_something_cancelled()

    assert (await asked(receiver, "/event_created")).status == 500


async def test_such_a_handler_does_not_end_the_work_on_stored_deliveries() -> None:
    """Neither the workers nor the application inside of `working()` are cancelled with it."""
    receiver = Receiver(client_secrets=None, acknowledge_first=True, workers=1)
    done = anyio.Event()

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        await wait_for_something_cancelled()

    @receiver.on("event_updated")
    async def updated(delivery: Delivery) -> None:
        done.set()

    is_alive = False
    async with receiver.working():
        await asked(receiver, "/event_created")
        await asked(receiver, "/event_updated")
        with anyio.fail_after(30):
            await done.wait()
        is_alive = True
    assert is_alive
    assert receiver.counts["failed"] == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_receiver_works_again_in_another_event_loop(kind: str, tmp_path: Path) -> None:
    """A receiver of a module is opened by each test of an application, or after a restart of its server."""
    storage: Storage = MemoryStorage() if kind == "memory" else SQLiteStorage(tmp_path / "receiver")
    receiver = Receiver(client_secrets=None, acknowledge_first=True, storage=storage)
    handled: list[int] = []

    async def run(number: int) -> None:
        done = anyio.Event()

        @receiver.on(f"type{number}")
        async def handle(delivery: Delivery) -> None:
            handled.append(number)
            done.set()

        async with receiver.working():
            await anyio.wait_all_tasks_blocked()  # the workers wait for a first delivery
            assert (await asked(receiver, f"/type{number}")).status == 200
            with anyio.fail_after(30):
                await done.wait()

    for number in (1, 2):
        asyncio.run(run(number))
    assert handled == [1, 2]


async def test_the_last_end_closes_the_storage(tmp_path: Path) -> None:
    """`working()` may be opened by an application and by the server around it."""
    receiver = Receiver(
        client_secrets=None, acknowledge_first=True, storage=SQLiteStorage(tmp_path / "receiver")
    )
    done = anyio.Event()

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        done.set()

    async with receiver.working():
        async with receiver.working():
            pass
        assert (await asked(receiver, "/event_created")).status == 200
        with anyio.fail_after(30):
            await done.wait()


async def test_memory_accepts_nothing_that_nobody_would_handle(tmp_path: Path) -> None:
    """Before and after `working()`, doo is told to send again; a file keeps it for whoever works next."""
    for storage, status in ((MemoryStorage(), 503), (SQLiteStorage(tmp_path / "receiver"), 200)):
        receiver = Receiver(client_secrets=None, acknowledge_first=True, storage=storage)

        @receiver.on("event_created")
        async def created(delivery: Delivery) -> None:
            pass

        assert (await asked(receiver, "/event_created")).status == status
        await storage.close()


async def test_several_may_be_the_first_to_open_a_file(tmp_path: Path) -> None:
    """Workers of a server start at the same time; none takes what another one has half made for a foreign database."""
    for number in range(20):
        storages = [SQLiteStorage(tmp_path / f"receiver-{number}") for _ in range(4)]
        await asyncio.gather(*(each.add_token(b"x", now=0, until=1) for each in storages))
        for each in storages:
            await each.close()


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """Its tables may mean something else."""
    path = tmp_path / "receiver"
    storage = SQLiteStorage(path)
    await storage.add_token(b"x", now=0, until=1)
    await storage.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(ConfigError, match="newer version"):
        await storage.has_token(b"x", now=0)
    await storage.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)


async def test_a_path_is_a_file_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite takes `:memory:` for no file, so that every process would have tokens of its own."""
    monkeypatch.chdir(tmp_path)
    for expected in (False, True):
        storage = SQLiteStorage(":memory:")
        assert await storage.has_token(b"x", now=0) is expected
        await storage.add_token(b"x", now=0, until=1)
        await storage.close()


async def test_a_key_function_is_not_async() -> None:
    """Its coroutine would never be awaited, and each would be another key."""

    async def key(delivery: Delivery) -> str:
        return "one"

    with pytest.raises(ConfigError, match="not async"):
        Receiver(client_secrets=None).on("event_created", key=key)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"acknowledge_first": True}, {"deduplicate": 300}])
async def test_the_log_says_why_a_storage_fails(
    options: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer says nothing of it, so that only the log helps whoever runs the application."""
    storage = SQLiteStorage(tmp_path / "missing" / "receiver")
    receiver = Receiver(client_secrets=None, storage=storage, **options)

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        pass

    async with receiver.working():
        answer = await asked(receiver, "/event_created")
    assert (answer.status, b"missing" in answer.body) == (500, False)
    assert "No such file or directory" in caplog.text


async def test_what_is_taken_at_the_end_is_given_back() -> None:
    """A storage that is slow, such as one on a network, has lent a delivery when `working()` ends."""
    taken = anyio.Event()

    class SlowStorage(MemoryStorage):
        async def take(self, *, now: float, until: float) -> StoredDelivery | None:
            found = await super().take(now=now, until=until)
            if found is not None:
                taken.set()
            await anyio.sleep(0.05)
            return found

    receiver = Receiver(
        client_secrets=None, acknowledge_first=True, storage=SlowStorage(), handler_timeout=600
    )
    done = anyio.Event()

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        await anyio.lowlevel.checkpoint()
        done.set()

    async with receiver.working():
        await asked(receiver, "/event_created")
        await taken.wait()
    with anyio.fail_after(60):
        async with receiver.working():
            await done.wait()


def test_an_event_loop_that_stands_still_stops_no_other() -> None:
    """A program may leave one without closing what it had opened, and a second thread has one of its own."""
    receiver = Receiver(client_secrets=None, acknowledge_first=True)
    handled: list[int] = []

    @receiver.on("event_created")
    async def created(delivery: Delivery) -> None:
        handled.append(delivery.data["id"])

    async def leave_open() -> None:
        async with receiver.working():
            await anyio.sleep_forever()

    async def run(number: int) -> None:
        async with receiver.working():
            await anyio.wait_all_tasks_blocked()
            await asked(receiver, "/event_created", b'{"id": %d}' % number)
            with anyio.fail_after(30):
                while number not in handled:  # noqa: ASYNC110  # whichever worker handles it
                    await anyio.sleep(0.01)

    first = asyncio.new_event_loop()
    left_open = first.create_task(leave_open())
    first.run_until_complete(run(1))
    asyncio.run(run(2))
    left_open.cancel()
    with pytest.raises(asyncio.CancelledError):
        first.run_until_complete(left_open)
    first.close()
    assert handled == [1, 2]
