"""The demo's verdict: whether it would notice that something is not as it should be."""

from __future__ import annotations

import pytest

from aiodoo import Facts, Limits, Session
from aiodoo.cli.commands.demo.screen import Screen
from aiodoo.cli.commands.demo.tour import take_steps
from aiodoo.cli.commands.demo.verdict import Expectation
from aiodoo.cli.commands.demo.waiting import Waiting
from aiodoo.events import Event, RequestSent, Stats
from aiodoo.protocol.wire import Kind
from aiodoo.sandbox import Sandbox, classic

LAST_DELETE = 2 * 11 + 2


def create(box, team):
    """Somebody else creates a webhook."""
    box.foreign_create(team, classic())


def edit(box, team):
    """Somebody else changes a webhook in place."""
    first, *_ = box.live(team)
    box.foreign_edit(first["id"], classic("Edited"))


def delete(box, team):
    """Somebody else deletes a webhook."""
    first, *_ = box.live(team)
    box.foreign_delete(first["id"])


async def problems_after(meddle) -> list[str]:
    """Take the demo's steps, let somebody meddle as the last delete leaves, and return what was noticed."""
    deletes = 0

    def hear(event: Event) -> None:
        nonlocal deletes
        if isinstance(event, RequestSent) and event.kind is Kind.DELETE:
            deletes += 1
            if deletes == LAST_DELETE:
                meddle(box, box.teams[0])

    async with (
        Sandbox(organizations=2, webhooks_per_team=10, plan=None, echo_scope=True) as box,
        Session(
            base_url=box.url,
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=Limits(per_second=None, per_day=None),
            facts=Facts(list_echoes_scope=True),
            on_event=hear,
        ) as doo,
    ):
        with Screen(Waiting()) as screen:
            return await take_steps(doo, box, screen)


async def test_nobody_meddles():
    """When all went well there is nothing to tell."""
    assert await problems_after(lambda _box, _team: None) == []


@pytest.mark.parametrize(
    ("meddle", "told"),
    [
        (create, "lacks 0 of 20 and holds 1 that should not be there"),
        (edit, "lacks 1 of 20 and holds 1 that should not be there"),
        (delete, "lacks 1 of 20 and holds 0 that should not be there"),
    ],
)
async def test_somebody_meddles(meddle, told):
    """A webhook too many, too few or of other content is noticed in doo's list and in the box."""
    assert await problems_after(meddle) == [f"doo's list {told}", f"the sandbox {told}"]


def test_problems_are_failure(capsys):
    """What is not as it should be is told below the table, and makes the exit code 1."""
    assert Screen(Waiting()).sum_up(Stats(), ["doo's list lacks 1 of 20", "the box too"]) == 1
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == "NOT as expected: doo's list lacks 1 of 20; the box too."
    assert "Verified" not in told


def test_list_and_box_disagree():
    """A list that shows something else than the box holds is noticed, even if its content fits."""
    box = Sandbox(organizations=1, webhooks_per_team=1)
    told = Expectation(box, {}).problems([], [], requests=0)
    assert told == ["doo's list, by id, lacks 1 of 1 and holds 0 that should not be there"]


def test_requests_disagree():
    """A Session that counts other requests than the box saw is noticed."""
    box = Sandbox(organizations=1)
    assert Expectation(box, {}).problems([], [], requests=1) == [
        "the sandbox got 0 requests, the Session counted 1"
    ]


def test_host_that_was_not_moved():
    """Endpoints that stayed where they were are noticed in the box itself."""
    box = Sandbox(organizations=1, webhooks_per_team=2)
    told = Expectation(box, {"crm.example": "crm2.example"}).problems([], [], requests=0)
    assert "the sandbox lacks 2 of 2 and holds 2 that should not be there" in told
