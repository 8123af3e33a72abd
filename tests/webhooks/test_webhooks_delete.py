"""A single delete: one request that proves nothing, or with `confirm_in=` the team's list as the proof."""

from __future__ import annotations

from typing import Any

import pytest
from unlimited_session import kinds, practice, session

from aiodoo import (
    AuthenticationError,
    ConfigError,
    DooError,
    Facts,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ServerError,
    TransportError,
)
from aiodoo.sandbox import Fault


async def test_it_costs_one_request() -> None:
    """The webhook named is gone, the others are not."""
    async with practice(webhooks_per_team=3) as (doo, box):
        first, second, third = (item["id"] for item in box.live("111"))
        assert await doo.webhooks.delete(second) is None
        assert kinds(box) == ["delete"]
        assert [item["id"] for item in box.live("111")] == [first, third]


async def test_an_id_that_never_was() -> None:
    """It gets the same 204 as any other, and delete() says nothing more."""
    async with practice(webhooks_per_team=1, webhook_ids="counter") as (doo, box):
        await doo.webhooks.delete(9999)
        await doo.webhooks.delete("no-such-id")
        assert kinds(box) == ["delete", "delete"]
        assert len(box.live("111")) == 1


@pytest.mark.parametrize("size", [1, 7, 8, 9, 20, 22])
async def test_what_confirming_costs(size: int) -> None:
    """One request more on a team of one page afterwards, twice its pages otherwise."""
    async with practice(webhooks_per_team=size, page_size=7) as (doo, box):
        await doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111")
        pages = max(1, -(-(size - 1) // 7))
        assert kinds(box) == ["delete"] + ["list"] * (1 if pages == 1 else 2 * pages)
        assert len(box.live("111")) == size - 1


async def test_confirming_what_never_was() -> None:
    """A list without the id is the proof, whether or not it ever had it."""
    async with practice(webhooks_per_team=1) as (doo, box):
        await doo.webhooks.delete("no-such-id", confirm_in=111)
        assert kinds(box) == ["delete", "list"]


async def test_an_ignored_delete_is_sent_again() -> None:
    """A list that still shows it leads to a second delete, and to another list."""
    async with practice(webhooks_per_team=2) as (doo, box):
        webhook_id = box.live("111")[0]["id"]
        box.script(Fault("delete_ignored"))
        await doo.webhooks.delete(webhook_id, confirm_in="111")
        assert kinds(box) == ["delete", "list", "delete", "list"]
        assert len(box.live("111")) == 1


async def test_a_delete_that_is_always_ignored() -> None:
    """After two deletes that doo ignored nothing more is tried, and the error says what the list shows."""
    async with practice(webhooks_per_team=2) as (doo, box):
        webhook_id = box.live("111")[0]["id"]
        box.script(Fault("delete_ignored", times=None))
        with pytest.raises(OutcomeUnknown, match="still lists") as caught:
            await doo.webhooks.delete(webhook_id, confirm_in="111")
        assert kinds(box) == ["delete", "list", "delete", "list"]
        error = caught.value
        assert (error.operation, error.team_id, error.old_id, error.new_id) == (
            "delete",
            "111",
            webhook_id,
            None,
        )
        assert "the new one" not in str(error)


@pytest.mark.parametrize("fault", ["lost_after", "lost_before", "error_acted", "reset"])
async def test_a_lost_answer_is_followed_by_a_second_try(fault: Any) -> None:
    """To delete twice is to delete once."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault(fault, on="delete"))
        await doo.webhooks.delete(box.live("111")[0]["id"])
        assert kinds(box) == ["delete", "delete"]
        assert len(box.live("111")) == 1


@pytest.mark.parametrize(
    ("fault", "cause", "left"),
    [("lost_after", TransportError, 1), ("lost_before", TransportError, 2), ("error_acted", ServerError, 1)],
)
async def test_two_lost_answers_are_a_doubt(fault: Any, cause: type[DooError], left: int) -> None:
    """Without a list nobody knows; two wire requests, and no third."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault(fault, on="delete", times=None))
        with pytest.raises(OutcomeUnknown, match="Deleting again is safe") as caught:
            await doo.webhooks.delete(box.live("111")[0]["id"])
        assert caught.value.operation == "delete"
        assert isinstance(caught.value.cause, cause)
        assert kinds(box) == ["delete", "delete"]
        assert len(box.live("111")) == left


async def test_a_list_settles_two_lost_answers() -> None:
    """With confirm_in= the list says whether it is gone."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("lost_after", on="delete", times=2))
        await doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111")
        assert kinds(box) == ["delete", "delete", "list"]
        box.script(Fault("lost_before", on="delete", times=2))
        await doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111")
        assert kinds(box)[3:] == ["delete", "delete", "list", "delete", "list"]
        assert box.live("111") == []


@pytest.mark.parametrize("confirm", [False, True])
@pytest.mark.parametrize(("status", "error"), [(403, PermissionDenied), (400, DooError), (405, DooError)])
async def test_a_refused_delete_is_no_doubt(status: int, error: type[DooError], *, confirm: bool) -> None:
    """What doo refused has not happened: the refusal itself is raised, after one request."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("replaced", on="delete", status=status, body=b"{}", acted=False))
        with pytest.raises(error) as caught:
            await doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111" if confirm else None)
        assert not isinstance(caught.value, OutcomeUnknown)
        assert kinds(box) == ["delete"]
        assert len(box.live("111")) == 2


async def test_a_refusal_after_an_ignored_delete() -> None:
    """The list shows it and doo refuses the second delete: it is there, and nothing is in doubt."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(
            Fault("delete_ignored"), Fault("replaced", on="delete", status=403, body=b"{}", acted=False)
        )
        with pytest.raises(PermissionDenied):
            await doo.webhooks.delete(box.live("111")[0]["id"], confirm_in="111")
        assert kinds(box) == ["delete", "list", "delete"]


async def test_a_list_that_cannot_be_had_confirms_nothing() -> None:
    """The delete was sent and the list failed: that is a doubt, with the list's error as its cause."""
    async with practice(webhooks_per_team=2) as (doo, box):
        webhook_id = box.live("111")[0]["id"]
        with pytest.raises(OutcomeUnknown) as caught:
            await doo.webhooks.delete(webhook_id, confirm_in="999")
        assert isinstance(caught.value.cause, NotFound)
        assert kinds(box) == ["delete", "list"]
        assert "Deleting again is safe" in str(caught.value)


@pytest.mark.parametrize("webhook_id", ["", "a/b", "..", "1 2", None, True])
async def test_an_id_that_cannot_be_one(webhook_id: Any) -> None:
    """No request is built from it, alone or with a team."""
    async with practice() as (doo, box):
        for confirm_in in (None, "111"):
            with pytest.raises(ConfigError):
                await doo.webhooks.delete(webhook_id, confirm_in=confirm_in)
        with pytest.raises(ConfigError):
            await doo.webhooks.delete("12", confirm_in="a/b")
        assert box.log.total == 0


async def test_with_the_api_key_alone() -> None:
    """With `Facts(delete_sends_bearer=False)` a delete needs no token."""
    async with practice(webhooks_per_team=2) as (_, box):
        async with session(box, facts=Facts(delete_sends_bearer=False)) as doo:
            await doo.webhooks.delete(box.live("111")[0]["id"])
        assert [each.kind for each in box.log.requests] == ["delete"]
        assert len(box.live("111")) == 1


async def test_a_doo_that_wants_a_token() -> None:
    """By default the token goes with it, so that a doo that asks for one is content."""
    async with practice(webhooks_per_team=2, delete_needs_bearer=True) as (doo, box):
        await doo.webhooks.delete(box.live("111")[0]["id"])
        assert len(box.live("111")) == 1
        async with session(box, facts=Facts(delete_sends_bearer=False)) as bare:
            with pytest.raises(AuthenticationError):
                await bare.webhooks.delete(box.live("111")[0]["id"])
        assert len(box.live("111")) == 1
