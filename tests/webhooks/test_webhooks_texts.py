"""Texts of any class, as templates, arrays and StrEnum give them, are taken at every door; and so is a mask, or not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from bulk_world import session, world
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Create,
    Delete,
    Ensure,
    Hook,
    Operation,
    Replace,
    Secret,
    Session,
    Update,
    WebhookConfiguration,
)
from aiodoo.offload import InlineWorker
from aiodoo.sandbox import Box, classic


class Safe(str):
    """A text whose own words are others."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not the text"


class Word(StrEnum):
    """Somebody's own words."""

    TEAM = "111"
    OTHER = "112"
    CREATED = "event_created"
    COLLECT = "collect"
    EVENTS = "events"


LONG = Safe("a long secret")


def login(secret: Any) -> Authentication:
    """Return an authentication of such texts."""
    return Authentication(
        endpoint=Safe("https://crm.example/t"), credentials=ClientCredentials(client_secret=secret)
    )


def config(name: str = "crm", secret: Any = LONG) -> AddWebhook:
    """Return a configuration of such texts."""
    endpoint = Safe("https://crm.example/doo")
    hooks = [Hook(type=Word.CREATED, endpoint=endpoint, extra={Safe("a"): Safe("b")})]
    return AddWebhook(name=Safe(name), hooks=hooks, event_id=Safe("7"), authentication=login(secret))


def test_every_call_takes_them() -> None:
    """What arrives at doo is what their characters say."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, echo_scope=True)
        async with Session(
            base_url=Safe("https://rest.doo.net/v1"),
            api_key=Safe(box.api_key),
            client_id=Safe(box.client_id),
            client_secret=Safe(box.client_secret),
            clock=clock,
            transport=BoxTransport(box, clock),
            worker=InlineWorker(),
        ) as doo:
            new = Safe(await doo.webhooks.create(Word.TEAM, config()))
            assert box.live("111")[0]["name"] == "crm"
            assert await doo.webhooks.ensure(Word.TEAM, config()) == new
            assert (await doo.webhooks.get(Word.TEAM, new)).id == new
            new = Safe(
                await doo.webhooks.update(Word.TEAM, new, name=Safe("other"), client_secret=Safe("one more"))
            )
            new = Safe(await doo.webhooks.replace(Word.TEAM, new, config("third")))
            teams = [Word.TEAM, Safe("112")]
            found = await doo.webhooks.list(teams, on_error=Word.COLLECT).collect()  # type: ignore[arg-type]
            assert [webhook.name for webhook in found] == ["third"]
            await doo.webhooks.initialize(
                Word.EVENTS,
                organization_id=Safe("7"),
                webhook_types=[Word.CREATED],
                webhook_configuration_id=new,
            )
            await doo.webhooks.delete(new, confirm_in=Word.TEAM)
            assert box.live("111") == []

    simulate(main)


def test_a_journaled_run_takes_them(tmp_path: Path) -> None:
    """All that is written down is plain, and what goes on from it, or undoes it, is the same."""

    async def main(clock: SimulatedClock) -> None:
        box = Box(plan=None, echo_scope=True)
        old = [Safe(box.add_webhook("111", classic(name=str(number)))) for number in range(4)]
        hosts = {Safe("crm.example"): Safe("new.example")}
        operations: list[Operation] = [
            Create(Word.OTHER, config("a")),
            Ensure(Safe("112"), config("b")),
            Update(Word.TEAM, old[0], name=Safe("c"), hosts=hosts, event_id=Safe("5")),
            Update(Safe("111"), old[1], client_secret=Safe("one more"), description=Safe("d")),
            Replace(Word.TEAM, old[2], config("e")),
            Delete(Word.TEAM, old[3]),
        ]
        async with session(clock, box) as doo:
            report = await doo.bulk.run(operations, journal=tmp_path / "j")
            assert report.counts()["applied"] == 6
        async with session(clock, box) as doo:
            again = await doo.bulk.run(operations, journal=tmp_path / "j")
            assert again.counts() == report.counts()
            undo = await doo.bulk.undo(tmp_path / "j", secrets=dict.fromkeys(old, LONG))
            assert undo.left == ()
            assert (await doo.bulk.run(undo.operations)).counts()["applied"] == 6

    simulate(main)


def test_plain_data_of_such_texts_is_read() -> None:
    """For what is listed, and for what is to be sent."""
    hook = {"type": Word.CREATED, "endpoint": Safe("https://a.example/")}
    item = {Safe("id"): Safe("12"), "name": Safe("crm"), "hooks": [hook]}
    wanted = WebhookConfiguration.from_dict(item, team_id=Word.TEAM).copy()
    hook = {"type": "event_created", "endpoint": "https://a.example/", "method": "POST"}
    assert wanted.to_dict() == {"name": "crm", "hooks": [hook]}


@pytest.mark.parametrize("mask", ["***", Safe("****"), Secret("[hidden]")])
def test_a_mask_means_the_listed_secret_in_a_change_and_nothing_in_what_is_new(mask: Any) -> None:
    """At every door: a create would make doo log in with asterisks."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, echo_scope=True) as (doo, box):
            item = classic()
            secret = item["authentication"]["credentials"]["client_secret"]
            old = box.add_webhook("111", item)
            wanted = config(secret=mask)
            for call in (
                lambda: doo.webhooks.create("111", wanted),
                lambda: doo.webhooks.ensure("111", wanted),
                lambda: doo.bulk.run([Create("111", wanted)]),
                lambda: doo.bulk.run([Ensure("111", wanted)]),
            ):
                with pytest.raises(ConfigError, match=r"client_secret is a mask such as \*\*\*, and no"):
                    await call()
            assert box.log.count("create") == 0
            changes: list[dict[str, Any]] = [
                {"client_secret": mask, "name": "a"},
                {"authentication": login(mask)},
            ]
            for change in changes:
                old = await doo.webhooks.update("111", old, **change)
                await doo.bulk.run([Update("111", old, **change, description="other")])
                [live] = box.live("111")
                old = live["id"]
                assert live["authentication"]["credentials"]["client_secret"] == secret
            old = await doo.webhooks.replace("111", old, config("b", mask))
            await doo.bulk.run([Replace("111", old, config("c", mask))])
            [live] = box.live("111")
            assert live["authentication"]["credentials"]["client_secret"] == secret

    simulate(main)
