"""Secrets of a run that goes on: given again, read again from doo's list, or named as missing; in simulated time."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bulk_world import session, world
from dying_process import MortalWorker, folder, until_dead
from simulated import SimulatedClock, simulate

from aiodoo import (
    AddWebhook,
    ConfigError,
    JournalError,
    Limits,
    Missing,
    Report,
    Secret,
    SecretsNeeded,
    Session,
)
from aiodoo.operations import Create, Delete, Operation, Replace, Update, copy_to_teams
from aiodoo.sandbox import Box, classic

LIMITS = Limits(per_second=50, per_day=None)

FIELD = "authentication.credentials.client_secret"
HEADERS = {"X-Api-Key": "", "Authorization": "Bearer %ACCESS_TOKEN%"}


def rich(name: str) -> dict[str, Any]:
    """Return a webhook configuration with secrets in every place that counts as one."""
    item = classic(name, client_secret=secrets.token_hex(16))
    item["hooks"] = item["hooks"][:2]
    item["hooks"][0]["headers"] = HEADERS | {"X-Api-Key": secrets.token_hex(16)}
    item["hooks"][1]["headers"] = [{"name": "X-Signature", "value": secrets.token_hex(16)}]
    item["authentication"]["credentials"]["password"] = secrets.token_hex(16)
    item["authentication"]["credentials"]["deeper"] = {"list": [secrets.token_hex(16)]}
    item["authentication"]["static_headers"] = {"X-Static": secrets.token_hex(16)}
    item["custom"] = {"vendor_token": secrets.token_hex(16)}
    return item


def box_with(count: int, make: Callable[[str], dict[str, Any]] = rich) -> tuple[Box, list[str]]:
    """Return a box whose team 111 has so many webhooks, and their ids."""
    box = Box(plan=None, latency=0.05, organizations=1)
    return box, [box.add_webhook("111", make(f"crm {number}")) for number in range(count)]


def shown(box: Box, team: str = "111") -> Counter[str]:
    """Return what a team has, whatever the ids."""
    hidden = ("id", "_links", "team_id")
    return Counter(
        json.dumps({name: value for name, value in item.items() if name not in hidden}, sort_keys=True)
        for item in box.live(team)
    )


def without_secrets(path: Path, box: Box) -> None:
    """See that no file holds one of the secrets in a box."""
    for item in box.live("111"):
        held = fields_of(item).values()
        for file in sorted(path.parent.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                assert not [each for each in held if each.encode() in content]


async def process(
    clock: SimulatedClock,
    box: Box,
    worker: MortalWorker,
    begin: Callable[[Session], Coroutine[Any, Any, Report]],
) -> Report | None:
    """Let a process go on until it is done or dead."""
    doo = session(clock, box, limits=LIMITS, worker=worker)
    return await until_dead(worker, doo, begin(doo))


async def scripted(operations: list[Operation], path: Path, doo: Session) -> Report:
    """Run what a script runs."""
    return await doo.bulk.run(operations, journal=path, grace=0.0)


async def resumed(doo: Session, path: Path, **options: Any) -> Report | None:
    """Go on with a run; return None if it had not begun."""
    try:
        return await doo.bulk.resume(path, **options)
    except JournalError as error:
        if "no run" not in str(error):
            raise
        return None


def test_an_update_from_a_csv_goes_on_after_any_kill() -> None:
    """Killed after each piece of writing, it goes on with the secrets of the CSV, or with the same script."""

    async def main(clock: SimulatedClock) -> None:
        deaths, finished = 0, False
        while not finished:
            deaths += 1
            for ways in range(2):
                with folder() as where:
                    box, ids = box_with(2)
                    text = io.StringIO()
                    rows = csv.writer(text)
                    rows.writerows(["111", each, secrets.token_hex(16)] for each in ids)
                    table = list(csv.reader(io.StringIO(text.getvalue())))
                    operations = [Update(team, each, client_secret=value) for team, each, value in table]
                    worker, path = MortalWorker(deaths, after_it=True), where / "journal"
                    report = await process(clock, box, worker, partial(scripted, operations, path))
                    finished = report is not None
                    async with session(clock, box, limits=LIMITS) as doo:
                        if report is None and ways:
                            given = {each: value for _, each, value in table}
                            report = await resumed(doo, path, secrets=given)
                        if report is None:
                            report = await doo.bulk.run(operations, journal=path)
                    assert report.counts()["applied"] == 2, (deaths, ways)
                    live = [
                        item["authentication"]["credentials"]["client_secret"] for item in box.live("111")
                    ]
                    assert Counter(live) == Counter(value for *_, value in table)
                    without_secrets(path, box)
        assert deaths > 12

    simulate(main)


def test_a_replace_from_a_listing_goes_on_after_any_kill() -> None:
    """Killed after each piece of writing, its journal alone is enough: secrets are read again where they are listed."""

    async def main(clock: SimulatedClock) -> None:
        deaths, finished = 0, False
        while not finished:
            deaths += 1
            for ways in range(2):
                with folder() as where:
                    box, _ = box_with(2)
                    wanted = Counter(
                        json.dumps(json.loads(text) | {"name": "moved"}, sort_keys=True)
                        for text in shown(box)
                    )
                    worker, path = MortalWorker(deaths, after_it=True), where / "journal"

                    async def begin(doo: Session, path: Path = path) -> Report:
                        async def operations() -> AsyncIterator[Operation]:
                            async for webhook in doo.webhooks.list("111"):
                                yield Replace("111", webhook.id, webhook.copy(name="moved"))

                        return await doo.bulk.run(operations, journal=path, grace=0.0)

                    report = await process(clock, box, worker, begin)
                    finished = report is not None
                    async with session(clock, box, limits=LIMITS) as doo:
                        if report is None and ways:
                            report = await resumed(doo, path)
                        if report is None:
                            report = await begin(doo)
                    assert report.counts()["applied"] == 2, (deaths, ways)
                    assert shown(box) == wanted
                    without_secrets(path, box)
        assert deaths > 12

    simulate(main)


async def cut_short(doo: Session, operations: Sequence[Operation], path: Path) -> None:
    """Leave a run in its first request."""
    run = asyncio.create_task(doo.bulk.run(operations, journal=path, grace=0.0))
    await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


def test_missing_secrets_are_named_and_nothing_is_sent(tmp_path: Path) -> None:
    """Each is named by row, team, webhook and field, whatever kind of operation it is."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=2) as (doo, box):
            first, second = (item["id"] for item in box.live("111"))
            value = secrets.token_hex(16)
            new = AddWebhook.from_dict(rich("new"))
            operations: list[Operation] = [
                Update("111", first, client_secret=value),
                Update("111", second, client_secret=secrets.token_hex(16)),
                Create("111", new),
            ]
            path = tmp_path / "journal"
            await cut_short(doo, operations, path)
            sent = box.log.total
            with pytest.raises(SecretsNeeded, match=r"client_secret of row 0 \(team 111, webhook") as needed:
                await doo.bulk.resume(path)
            assert box.log.total == sent
            missing = needed.value.missing
            assert missing[0] == Missing(index=0, team_id="111", webhook_id=first, field="client_secret")
            assert {each.field for each in missing if each.index == 2} == {
                "authentication.credentials.client_secret",
                "authentication.credentials.password",
                "authentication.credentials.deeper.list[0]",
                "authentication.static_headers.X-Static",
                "hooks[0].headers.X-Api-Key",
                "hooks[1].headers[0].value",
                "custom.vendor_token",
            }
            assert "and 6 more" in str(needed.value)
            with pytest.raises(ConfigError, match="client_secret of row 1") as wrong:
                await doo.bulk.resume(path, secrets={(0, "client_secret"): value, second: value})
            assert value not in str(wrong.value)
            assert box.log.total == sent

    simulate(main)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({(9, "client_secret"): "x" * 9}, "does not have"),
        ({"no-such-id": "x" * 9}, "does not have"),
        ({(0, "password"): "x" * 9}, "row 0 has no single secret password"),
        ({(0, "client_secret"): ""}, "not empty"),
        ("a text", "must be a mapping"),
    ],
)
def test_secrets_that_belong_nowhere_are_refused(given: Any, says: str, tmp_path: Path) -> None:
    """A key that names nothing, or a value that is none, is refused before anything is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=1) as (doo, box):
            path, webhook_id = tmp_path / "journal", box.live("111")[0]["id"]
            operations: list[Operation] = [Update("111", webhook_id, client_secret=secrets.token_hex(16))]
            await cut_short(doo, operations, path)
            sent = box.log.total
            with pytest.raises(ConfigError, match=says):
                await doo.bulk.resume(path, secrets=given)
            assert box.log.total == sent

    simulate(main)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_function_is_asked_once_for_each_secret(is_async: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Rows with the same secret are asked for once, and what it does not know stays missing."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, organizations=1, webhooks_per_team=3) as (doo, box):
            path, same, other = tmp_path / "journal", secrets.token_hex(16), secrets.token_hex(16)
            ids = [item["id"] for item in box.live("111")]
            values = dict(zip(ids, (same, same, other), strict=True))
            await cut_short(doo, [Update("111", each, client_secret=values[each]) for each in ids], path)
            asked: list[Missing] = []

            def know(missing: Missing) -> Secret | None:
                asked.append(missing)
                return None if missing.index == 2 else Secret(values[missing.webhook_id or ""])

            async def know_later(missing: Missing) -> Secret | None:
                return know(missing)

            with pytest.raises(SecretsNeeded) as needed:
                await doo.bulk.resume(path, secrets=know_later if is_async else know)
            assert [each.index for each in asked] == [0, 2]
            assert needed.value.missing == (asked[1],)
            report = await doo.bulk.resume(path, secrets={(0, "client_secret"): same, ids[2]: other})
            assert report.counts()["applied"] == 3

    simulate(main)


def test_a_secret_of_another_account_can_be_read_there_again(tmp_path: Path) -> None:
    """What is missing says which webhook's list showed it, so that a function finds it in the other account."""

    async def main(clock: SimulatedClock) -> None:
        async with (
            world(clock, organizations=1, webhooks_per_team=3) as (theirs, _),
            world(clock, organizations=1, webhooks_per_team=0) as (doo, box),
        ):
            path = tmp_path / "journal"
            copies = copy_to_teams(await theirs.webhooks.list("111").collect(), {"111": "111"})
            await cut_short(doo, copies.operations, path)
            originals = {webhook.id: webhook for webhook in await theirs.webhooks.list("111").collect()}

            async def know(missing: Missing) -> Secret:
                assert missing.source_team_id == "111"
                login = originals[missing.source_webhook_id or ""].authentication
                assert login is not None
                return login.credentials.client_secret

            report = await doo.bulk.resume(path, secrets=know)
            assert report.counts()["applied"] == 3
            wanted = {webhook.name: webhook.copy() for webhook in originals.values()}
            made = await doo.webhooks.list("111").collect()
            assert {webhook.name: webhook.copy() for webhook in made} == wanted
            assert box.count("create") == 3

    simulate(main)


def test_a_listed_secret_that_is_gone_is_missing(tmp_path: Path) -> None:
    """If the webhook that had it is gone, or has another one, or is another account's, it has to be given."""

    async def main(clock: SimulatedClock) -> None:
        for team in ("112", "999"):
            async with world(clock, organizations=2, webhooks_per_team=1) as (doo, box):
                webhook = (await doo.webhooks.list("112").collect())[0]
                value = box.live("112")[0]["authentication"]["credentials"]["client_secret"]
                where = {"team": team, "webhook": webhook.id, "field": FIELD}
                path = tmp_path / team
                copied = webhook.copy(client_secret=Secret(value, source={"listed": where}))
                await cut_short(doo, [Create("111", copied)], path)
                box.foreign_delete(webhook.id, now=clock.monotonic())
                with pytest.raises(SecretsNeeded) as needed:
                    await doo.bulk.resume(path)
                assert [each.field for each in needed.value.missing] == [FIELD]
                report = await doo.bulk.resume(path, secrets={(0, "client_secret"): value})
                assert report.counts()["applied"] == 1

    simulate(main)


def test_a_mask_means_keep_in_an_update_and_an_error_in_a_create(tmp_path: Path) -> None:
    """`***` never reaches doo: an update and a replacement keep what is listed, a create is refused."""

    async def main(clock: SimulatedClock) -> None:
        box, ids = box_with(2)
        async with session(clock, box) as doo:
            before = shown(box)
            masked = [
                item.to_dict(secrets=lambda _: "***") for item in await doo.webhooks.list("111").collect()
            ]
            configs = [
                AddWebhook.from_dict(
                    {name: value for name, value in item.items() if name not in {"id", "_links"}}
                )
                for item in masked
            ]
            for config in configs:
                with pytest.raises(ConfigError, match=r"is a mask such as \*\*\*"):
                    await doo.webhooks.create("111", config)
                with pytest.raises(ConfigError, match=r"is a mask such as \*\*\*"):
                    await doo.bulk.run([Create("111", config)])
            report = await doo.bulk.run(
                [Update("111", each, client_secret="***") for each in ids], journal=tmp_path / "one"
            )
            assert report.counts()["unchanged"] == 2
            replaced = [
                Replace("111", each, config.copy(description="new"))
                for each, config in zip([item["id"] for item in masked], configs, strict=True)
            ]
            report = await doo.bulk.run(replaced, journal=tmp_path / "two")
            assert report.counts()["applied"] == 2
            assert shown(box) == Counter(
                json.dumps(json.loads(text) | {"description": "new"}, sort_keys=True) for text in before
            )
            assert (await doo.bulk.verify(tmp_path / "two")).clean

    simulate(main)


def test_what_is_deleted_is_journaled_without_any_secret(tmp_path: Path) -> None:
    """Of a deleted webhook the journal keeps all but its secrets."""

    async def main(clock: SimulatedClock) -> None:
        box, ids = box_with(1)
        kept, path = box.live("111"), tmp_path / "journal"
        async with session(clock, box) as doo:
            await doo.bulk.run([Delete("111", each) for each in ids], journal=path)
        assert box.live("111") == []
        text = path.read_bytes()
        assert b"crm 0" in text
        assert kept[0]["authentication"]["credentials"]["password"].encode() not in text
        assert kept[0]["hooks"][0]["headers"]["X-Api-Key"].encode() not in text

    simulate(main)


@pytest.mark.parametrize("given", [False, True])
def test_every_secret_comes_back_in_an_undo(given: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Encrypted by `keep_secrets`, or given by field, all secrets of a deleted webhook are there again."""

    async def main(clock: SimulatedClock) -> None:
        box, ids = box_with(2)
        before, path, pad = shown(box), tmp_path / "journal", 0x5A
        values = {item["id"]: fields_of(item) for item in box.live("111")}

        def turned(data: bytes) -> bytes:
            return bytes(each ^ pad for each in data)

        async with session(clock, box) as doo:
            operations: list[Operation] = [Delete("111", ids[0]), Update("111", ids[1], name="moved")]
            await doo.bulk.run(operations, journal=path, keep_secrets=None if given else turned)
            if given:
                with pytest.raises(SecretsNeeded, match=r"authentication.credentials.password") as needed:
                    await doo.bulk.undo(path)
                assert ids[1] not in str(needed.value)
                undo = await doo.bulk.undo(path, secrets={ids[0]: values[ids[0]]})
            else:
                undo = await doo.bulk.undo(path, decrypt=turned)
            assert undo.left == ()
            report = await doo.bulk.run(undo.operations, journal=tmp_path / "undo")
            assert report.counts()["applied"] == 2
        assert shown(box) == before

    simulate(main)


def fields_of(item: dict[str, Any]) -> dict[str, str]:
    """Return the secrets of what `rich` makes, by field."""
    login = item["authentication"]
    return {
        FIELD: login["credentials"]["client_secret"],
        "authentication.credentials.password": login["credentials"]["password"],
        "authentication.credentials.deeper.list[0]": login["credentials"]["deeper"]["list"][0],
        "authentication.static_headers.X-Static": login["static_headers"]["X-Static"],
        "hooks[0].headers.X-Api-Key": item["hooks"][0]["headers"]["X-Api-Key"],
        "hooks[1].headers[0].value": item["hooks"][1]["headers"][0]["value"],
        "custom.vendor_token": item["custom"]["vendor_token"],
    }
