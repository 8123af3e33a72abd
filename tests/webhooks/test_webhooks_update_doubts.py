"""Updates whose answers are lost: what was not seen is not deleted, and the error names both webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unlimited_session import Impatient, config, kinds, practice, session

from aiodoo import (
    DooError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Session,
    TransportError,
    UnstableListing,
    events,
)
from aiodoo.sandbox import Fault, Sandbox

CALLS = ("update", "replace")
both = pytest.mark.parametrize("call", CALLS)


async def change(doo: Session, box: Sandbox, call: str) -> str:
    """Change the oldest webhook of team 111."""
    old_id = box.live("111")[0]["id"]
    if call == "update":
        return await doo.webhooks.update("111", old_id, name="new")
    return await doo.webhooks.replace("111", old_id, config("new"))


def names(box: Sandbox) -> list[str]:
    """The names of the team's webhooks, oldest first."""
    return [item["name"] for item in box.live("111")]


async def doubt(doo: Session, box: Sandbox, call: str) -> OutcomeUnknown:
    """Change a webhook in vain; see that the old one is named and alive."""
    old_id = box.live("111")[0]["id"]
    with pytest.raises(OutcomeUnknown) as caught:
        await change(doo, box, call)
    error = caught.value
    assert (error.operation, error.team_id, error.old_id) == (call, "111", old_id)
    assert old_id in str(error)
    assert box.live("111")[0]["id"] == old_id
    return error


OLD, OTHER = "Webhook 1 of team 111", "Webhook 2 of team 111"


@both
@pytest.mark.parametrize(
    ("fault", "created"),
    [
        (Fault("lost_after", on="create"), True),
        (Fault("lost_before", on="create"), False),
        (Fault("error_acted", on="create", status=502), True),
        (Fault("error_not_acted", on="create", status=500), False),
        (Fault("reset", on="create", stage="in_body"), True),
        (Fault("replaced", on="create", body=b'{"data": null}'), True),
    ],
)
async def test_a_lost_create(fault: Fault, call: str, *, created: bool) -> None:
    """One create, no delete, no further look: the new id is not known."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(fault)
        error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create"]
        assert names(box) == [OLD, OTHER] + ["new"] * created
        assert error.new_id is None
        assert error.sent_at is not None
        assert isinstance(error.cause, DooError)
        assert "was not deleted" in str(error)
        assert "bulk.run" not in str(error), "a run would make another copy beside the one that is in doubt"


@both
async def test_a_create_that_names_another(call: str) -> None:
    """An answer with the id of a webhook that was there before is no answer; that webhook is not touched."""
    async with practice(webhooks_per_team=2) as (doo, box):
        lie = {"response_status": 200, "data": box.live("111")[1]["id"]}
        box.script(Fault("replaced", on="create", body=json.dumps(lie).encode()))
        error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create"]
        assert names(box) == [OLD, OTHER, "new"]
        assert error.new_id is None


@both
async def test_a_first_look_that_fails(call: str) -> None:
    """What could not be read is tried three times; then its error is raised, as nothing was changed."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("lost_after", on="list", times=3))
        with pytest.raises(TransportError):
            await change(doo, box, call)
        assert kinds(box) == ["list"] * 3
        await change(doo, box, call)
        assert sorted(names(box)) == sorted([OTHER, "new"])


@both
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_look_that_fails_once(nth: int, call: str) -> None:
    """Reading is repeated wherever it stands."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("lost_after", on="list", nth=nth))
        await change(doo, box, call)
        assert len(kinds(box)) == 6
        assert names(box) == [OTHER, "new"]


@both
async def test_a_new_one_that_could_not_be_looked_for(call: str) -> None:
    """Unless a list showed the new one, the old one stays."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("lost_after", on="list", nth=2, times=3))
        error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "list", "list"]
        assert names(box) == [OLD, OTHER, "new"]
        assert error.new_id == box.live("111")[-1]["id"]
        assert error.new_id in str(error)
        assert isinstance(error.cause, TransportError)


@both
async def test_a_new_one_that_is_not_listed(call: str) -> None:
    """A list that lags behind shows no new one: nothing is deleted."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("stale", on="list", nth=2, seconds=600))
        error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create", "list"]
        assert names(box) == [OLD, OTHER, "new"]
        assert error.new_id == box.live("111")[-1]["id"]


def acting(after: int, act: Any) -> Any:
    """A listener that lets somebody act after so many answers."""
    answers = 0

    def listen(event: events.Event) -> None:
        nonlocal answers
        if isinstance(event, events.Answered) and event.kind != "token":
            answers += 1
            if answers == after:
                act()

    return listen


@both
@pytest.mark.parametrize(
    "edit",
    [
        {"name": "else"},
        {"description": "else"},
        {"hooks": []},
        {"authentication": None},
        {"event_id": "4711"},
    ],
)
async def test_a_new_one_that_shows_something_else(edit: dict[str, Any], call: str) -> None:
    """If the list shows other content than was sent, both stay."""
    async with practice(webhooks_per_team=2, echo_scope=True) as (_, box):

        def act() -> None:
            new = box.live("111")[-1]
            content = {name: value for name, value in {**new, **edit}.items() if name != "id"}
            if call == "replace" and "authentication" in edit:
                content["authentication"] = {"endpoint": "https://crm.example", "credentials": {}}
            box.foreign_edit(new["id"], content)

        async with session(box, on_event=acting(2, act)) as doo:
            error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create", "list"]
        assert len(box.live("111")) == 3
        assert error.new_id == box.live("111")[-1]["id"]
        assert "both live" in str(error)


@both
async def test_an_old_one_that_somebody_else_deleted(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """No delete is sent for what is not there, and the last look proves that it is gone; a warning names the two."""
    async with practice(webhooks_per_team=5) as (_, box):
        old_id = box.live("111")[0]["id"]
        async with session(box, on_event=acting(2, lambda: box.foreign_delete(old_id))) as doo:
            new_id = await change(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "list"]
        assert box.live("111")[-1]["id"] == new_id
        assert len(box.live("111")) == 5
        [told] = [message for message in caplog.messages if "gone before" in message]
        assert f"{old_id} was gone before its delete was sent" in told
        assert f"{new_id}, its replacement, is live" in told


@both
async def test_two_who_change_the_same_webhook_at_once(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """Both replacements are live then, and doo has nothing to prevent it; a warning names them."""
    async with practice(webhooks_per_team=5) as (_, box):
        hooks = [
            {key: hook[key] for key in ("type", "method", "endpoint")} for hook in box.live("111")[0]["hooks"]
        ]

        def act() -> None:
            box.foreign_create("111", {**config("theirs").to_dict(), "hooks": hooks})

        async with session(box, on_event=acting(2, act)) as doo:
            new_id = await change(doo, box, call)
        [theirs] = [item["id"] for item in box.live("111") if item["name"] == "theirs"]
        [told] = [message for message in caplog.messages if "somebody else has made" in message]
        assert theirs in told
        assert new_id in told


@both
async def test_a_list_that_lacks_most_of_the_team(call: str) -> None:
    """A list that shrank too much proves nothing: nothing is deleted because of it."""
    async with practice(webhooks_per_team=5) as (_, box):

        def act() -> None:
            for item in box.live("111")[1:4]:
                box.foreign_delete(item["id"])

        async with session(box, on_event=acting(2, act)) as doo:
            error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create", "list"]
        assert error.new_id == box.live("111")[-1]["id"]
        assert isinstance(error.cause, UnstableListing)


@both
@pytest.mark.parametrize("fault", ["lost_after", "lost_before", "error_acted", "reset"])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_lost_delete(fault: Any, times: int, call: str) -> None:
    """A delete is tried twice, a list settles what came of it, and if the old one is still there it is deleted again."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault(fault, on="delete", times=times))
        new_id = await change(doo, box, call)
        expected = ["list", "create", "list", "delete", "delete", "list"]
        if fault == "lost_before" and times == 2:
            expected += ["delete", "list"]
        assert kinds(box) == expected
        assert names(box) == [OTHER, "new"]
        assert box.live("111")[-1]["id"] == new_id


@both
async def test_a_delete_that_is_ignored(call: str) -> None:
    """Once: it is sent again. Always: after two, both are live and the error says so."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("delete_ignored"))
        await change(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "delete", "list", "delete", "list"]
        assert names(box) == [OTHER, "new"]
        box.script(Fault("delete_ignored", times=None))
        error = await doubt(doo, box, call="replace")
        assert kinds(box)[7:] == ["list", "create", "list", "delete", "list", "delete", "list"]
        assert error.new_id == box.live("111")[-1]["id"]
        assert "still lists" in str(error)


@both
async def test_an_edit_after_an_ignored_delete_is_kept(call: str) -> None:
    """Somebody edits the old one after doo has ignored its delete: the list shows that, and no second one goes out."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("delete_ignored"))
        old = box.live("111")[0]
        edited = {
            name: value for name, value in {**old, "description": "by somebody"}.items() if name != "id"
        }
        box.after("delete", lambda: box.foreign_edit(old["id"], edited))
        error = await doubt(doo, box, call)
        assert box.count("delete") == 1
        assert (box.live("111")[0]["description"], names(box)[-1]) == ("by somebody", "new")
        assert str(error.new_id) in str(error)


@both
async def test_a_delete_that_is_refused(call: str) -> None:
    """Both are live, and the error says which and why."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("replaced", on="delete", status=403, body=b"{}", acted=False))
        error = await doubt(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "delete"]
        assert error.new_id == box.live("111")[-1]["id"]
        assert isinstance(error.cause, PermissionDenied)
        assert "both live" in str(error)


@both
async def test_a_delete_that_finds_nothing(call: str) -> None:
    """A doo that answers 404 for what is gone says the same as 204; the list is the proof."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("replaced", on="delete", status=404, body=b"{}"))
        await change(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "delete", "list"]
        assert names(box) == [OTHER, "new"]


@both
async def test_a_last_look_that_fails(call: str) -> None:
    """Whether the old one is gone is not known: that is a doubt, although it is gone in fact."""
    async with practice(webhooks_per_team=2) as (doo, box):
        old_id = box.live("111")[0]["id"]
        box.script(Fault("lost_after", on="list", nth=3, times=3))
        with pytest.raises(OutcomeUnknown) as caught:
            await change(doo, box, call)
        assert kinds(box) == ["list", "create", "list", "delete", "list", "list", "list"]
        assert names(box) == [OTHER, "new"]
        assert (caught.value.old_id, caught.value.new_id) == (old_id, box.live("111")[-1]["id"])


@both
async def test_a_create_that_is_refused(call: str) -> None:
    """What doo refuses is raised as it is: nothing was changed, nothing is in doubt."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("replaced", on="create", status=400, body=b"{}", acted=False))
        with pytest.raises(DooError, match="HTTP 400") as caught:
            await change(doo, box, call)
        assert not isinstance(caught.value, OutcomeUnknown)
        assert kinds(box) == ["list", "create"]
        assert names(box) == [OLD, OTHER]


@both
async def test_a_team_that_is_gone_meanwhile(call: str) -> None:
    """A list that is 404 after the create leaves both ids in the error."""
    async with practice(webhooks_per_team=2) as (doo, box):
        box.script(Fault("replaced", on="list", nth=2, status=404, body=b"{}"))
        error = await doubt(doo, box, call)
        assert isinstance(error.cause, NotFound)
        assert error.new_id == box.live("111")[-1]["id"]


@both
async def test_tokens_and_rate_limits_are_no_doubt(call: str) -> None:
    """A token refused or a 429 on any step: it is taken again, and the update comes to its end."""
    async with practice(webhooks_per_team=2) as (_, box):
        async with session(box, clock=Impatient()) as doo:
            for on in ("list", "create", "delete"):
                box.script(
                    Fault("too_many", on=on, headers={"Retry-After": "0"}),  # type: ignore[arg-type]
                    Fault("unauthorized", on=on),  # type: ignore[arg-type]
                )
            await change(doo, box, call)
        assert kinds(box) == ["list"] * 3 + ["create"] * 3 + ["list"] + ["delete"] * 3 + ["list"]
        assert names(box) == [OTHER, "new"]


async def test_no_doubt_shows_a_secret() -> None:
    """The error of an update holds neither credentials nor the secrets of the webhook."""
    async with practice(webhooks_per_team=2) as (doo, box):
        hidden = [item["authentication"]["credentials"]["client_secret"] for item in box.live("111")]
        box.script(Fault("error_acted", on="create", body=json.dumps({"user_message": hidden[0]}).encode()))
        error = await doubt(doo, box, "update")
        told = f"{error} {error!r} {vars(error)} {error.cause!r} {vars(error.cause)}"
        for secret in (*hidden, box.api_key, box.client_secret):
            assert secret not in told
