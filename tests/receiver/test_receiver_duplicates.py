"""Duplicates, and deliveries that are stored first: every occurrence is handled, and once behind the deduplication."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anyio
import pytest
from serving import asked

from aiodoo.receiver import Delivery, Event, MemoryStorage, Receiver, SQLiteStorage, Storage, StoredDelivery


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Return a storage of each kind."""
    return MemoryStorage() if request.param == "memory" else SQLiteStorage(tmp_path / "receiver")


async def test_an_equal_delivery_is_handled_once(storage: Storage) -> None:
    """Its content counts, in whatever order its keys stand; another type or content is another delivery."""
    receiver = Receiver(client_secrets=None, storage=storage, deduplicate=300)
    seen: list[object] = []
    for name in ("event_created", "event_updated"):

        @receiver.on(name)
        async def handle(delivery: Delivery) -> None:
            seen.append((delivery.type, delivery.data["id"]))

    async with receiver.working():
        for path, body in (
            ("/event_created", b'{"id": 1, "title": "a"}'),
            ("/event_created", b'{"title":"a","id":1}'),
            ("/event_updated", b'{"id": 1, "title": "a"}'),
            ("/event_created", b'{"id": 1, "title": "b"}'),
        ):
            assert (await asked(receiver, path, body)).status == 200
    assert seen == [("event_created", 1), ("event_updated", 1), ("event_created", 1)]
    assert receiver.counts == {"handled": 3, "duplicate": 1}


async def test_without_deduplication_equal_deliveries_are_two_occurrences(storage: Storage) -> None:
    """Two updates of one event may send the same, so that nothing is dropped unless it is asked for."""
    receiver = Receiver(client_secrets=None, storage=storage)
    seen: list[object] = []

    @receiver.on("event_updated")
    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.data)

    async with receiver.working():
        for _ in range(2):
            await asked(receiver, "/event_updated", b'{"id": 1}')
    assert len(seen) == 2


async def test_a_key_function_says_what_a_duplicate_is(storage: Storage) -> None:
    """None is for a delivery that has no duplicates."""
    receiver = Receiver(client_secrets=None, storage=storage, deduplicate=300)
    seen: list[object] = []

    @receiver.on("event_updated", key=lambda delivery: delivery.data.get("version"))
    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.data["n"])

    async with receiver.working():
        for n, version in enumerate(["a", "a", "b", None, None]):
            await asked(receiver, "/event_updated", json.dumps({"n": n, "version": version}).encode())
    assert seen == [0, 2, 3, 4]


@pytest.mark.parametrize("when", ["answered after", "answered first"])
async def test_a_key_function_gets_the_payload_that_the_handler_gets(when: str) -> None:
    """Also of a delivery that was stored first."""
    receiver = Receiver(client_secrets=None, deduplicate=300, acknowledge_first=when == "answered first")
    keyed, handled = [], []
    done = anyio.Event()

    def key(delivery: Delivery) -> str | None:
        keyed.append(delivery.payload)
        return str(delivery.payload.id)

    @receiver.on("event_updated", payload=Event, key=key)
    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.payload)
        done.set()

    async with receiver.working():
        assert (await asked(receiver, "/event_updated", b'{"id": 1}')).status == 200
        with anyio.fail_after(60):
            await done.wait()
    assert keyed == handled == [Event(id="1")]


async def test_a_delivery_that_failed_is_handled_when_it_comes_again(storage: Storage) -> None:
    """Only what was handled counts as handled."""
    receiver = Receiver(client_secrets=None, storage=storage, deduplicate=300)
    tries: list[int] = []

    @receiver.on("event_created")
    async def handle(delivery: Delivery) -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise OSError

    async with receiver.working():
        statuses = [(await asked(receiver, "/event_created")).status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]
    assert len(tries) == 3


async def test_an_equal_delivery_waits_for_the_first_one(storage: Storage) -> None:
    """While two configurations are live, both deliver at once: the handler runs once, and both are told how it ended."""
    receiver = Receiver(client_secrets=None, storage=storage, deduplicate=300)
    began, may_end = anyio.Event(), anyio.Event()
    calls: list[int] = []
    answers: list[int] = []

    @receiver.on("event_created")
    async def handle(delivery: Delivery) -> None:
        calls.append(1)
        began.set()
        await may_end.wait()

    async def deliver() -> None:
        answers.append((await asked(receiver, "/event_created")).status)

    async with receiver.working(), anyio.create_task_group() as group:
        group.start_soon(deliver)
        await began.wait()
        group.start_soon(deliver)
        await anyio.sleep(0.01)
        may_end.set()
    assert (answers, len(calls)) == ([200, 200], 1)


async def test_a_stored_delivery_is_answered_first_and_handled_after(storage: Storage) -> None:
    """A slow handler does not make doo wait; one that fails is tried again."""
    receiver = Receiver(client_secrets=None, storage=storage, acknowledge_first=True)
    done = anyio.Event()
    attempts: list[int] = []

    @receiver.on("event_created")
    async def handle(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            raise OSError
        done.set()

    async with receiver.working():
        assert (await asked(receiver, "/event_created", b'{"id": 1}')).status == 200
        with anyio.fail_after(60):
            await done.wait()
    assert attempts == [1, 2]


async def test_a_stored_delivery_is_kept_as_failed_after_its_last_attempt(storage: Storage) -> None:
    """It can be looked at, and tried again when its cause is mended."""
    receiver = Receiver(client_secrets=None, storage=storage, acknowledge_first=True, attempts=1)
    is_mended = False
    done = anyio.Event()

    @receiver.on("event_created")
    async def handle(delivery: Delivery) -> None:
        if not is_mended:
            raise OSError
        done.set()

    async with receiver.working():
        await asked(receiver, "/event_created", b'{"id": 1}')
        with anyio.fail_after(60):
            while not (failed := await receiver.failed()):  # noqa: ASYNC110  # by another process, in truth
                await anyio.sleep(0.01)
            assert [(each.type, each.body) for each in failed] == [("event_created", b'{"id": 1}')]
            is_mended = True
            assert await receiver.retry_failed() == 1
            await done.wait()
            while receiver.counts["handled"] < 1:  # noqa: ASYNC110  # it is counted after the handler
                await anyio.sleep(0.01)
        assert await receiver.failed() == []


async def test_what_was_stored_is_handled_after_a_restart(tmp_path: Path) -> None:
    """A delivery that was acknowledged is in the file, and a new process handles it."""
    path = tmp_path / "receiver"
    first = Receiver(client_secrets=None, storage=SQLiteStorage(path), acknowledge_first=True)
    second = Receiver(client_secrets=None, storage=SQLiteStorage(path), acknowledge_first=True)
    handled = anyio.Event()

    began = anyio.Event()

    @first.on("event_created")
    async def stays(delivery: Delivery) -> None:
        began.set()
        await anyio.sleep_forever()

    @second.on("event_created")
    async def handle(delivery: Delivery) -> None:
        handled.set()

    async with first.working():
        assert (await asked(first, "/event_created")).status == 200
        await began.wait()
    async with second.working():
        with anyio.fail_after(60):
            await handled.wait()


async def test_a_full_storage_is_told_to_doo() -> None:
    """What cannot be stored is not acknowledged."""
    receiver = Receiver(client_secrets=None, storage=MemoryStorage(limit=1), acknowledge_first=True)

    @receiver.on("event_created")
    async def handle(delivery: Delivery) -> None:
        await anyio.sleep_forever()

    async with receiver.working():
        assert [(await asked(receiver, "/event_created")).status for _ in range(2)] == [200, 500]


async def test_a_copied_file_handles_what_was_stored_again(tmp_path: Path) -> None:
    """A copy does not know what the original has handled meanwhile: at least once holds for each, and nothing is lost."""
    handled: list[str] = []

    def receiver(folder: Path) -> Receiver:
        made = Receiver(
            client_secrets=None, storage=SQLiteStorage(folder / "receiver"), acknowledge_first=True
        )

        @made.on("event_created")
        async def handle(delivery: Delivery) -> None:
            handled.append(f"{folder.name} {delivery.event_id}")

        return made

    original, copied = tmp_path / "original", tmp_path / "copied"
    original.mkdir()
    storage = SQLiteStorage(original / "receiver")
    for number in range(3):
        body = json.dumps({"id": number}).encode()
        await storage.put(StoredDelivery(type="event_created", body=body, received=0.0))
    await storage.close()
    shutil.copytree(original, copied)
    for folder in (original, copied):
        async with receiver(folder).working():
            with anyio.fail_after(60):
                while len([each for each in handled if each.startswith(folder.name)]) < 3:  # noqa: ASYNC110  # in the background
                    await anyio.sleep(0.01)
    assert sorted(handled) == [f"{name} {number}" for name in ("copied", "original") for number in range(3)]
