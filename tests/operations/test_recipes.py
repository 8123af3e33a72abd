"""`aiodoo.operations`: the operations of moving hosts, rotating a secret and copying, made of what a session has read."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from aiodoo import ConfigError, Facts, Secret, Update
from aiodoo.operations import copy_to_teams, move_hosts, rotate_secret
from aiodoo.sandbox import Sandbox, classic


def sandbox(**settings: Any) -> Sandbox:
    """Return a sandbox whose teams have nothing yet."""
    return Sandbox(**({"organizations": 2, "webhooks_per_team": 0, "plan": None} | settings))


def login(item: dict[str, Any]) -> dict[str, Any]:
    """Return what doo logs in with."""
    authentication: dict[str, Any] = item["authentication"]
    return authentication


async def test_whatever_calls_a_host_is_moved_and_nothing_else() -> None:
    """Endpoints and token URLs count, one update each; the rest of a URL stays, and so do other hosts."""
    async with sandbox() as box, box.session() as doo:
        token_url = classic("token", client_secret=secrets.token_hex())
        token_url["hooks"] = [{"type": "event_created", "method": "POST", "endpoint": "https://a.example/1"}]
        token_url["authentication"]["endpoint"] = "https://crm.example:8443/token"
        hook = {"type": "event_created", "method": "POST", "endpoint": "https://crm.example/x?y=1"}
        other = {"type": "event_created", "method": "POST", "endpoint": "https://crm.example.org/crm.example"}
        ids = [
            box.add_webhook("111", token_url),
            box.add_webhook("112", {"name": "hook", "hooks": [hook, other]}),
        ]
        box.add_webhook("112", {"name": "other", "hooks": [other]})
        read = await doo.webhooks.list_all(stable=True).collect()
        requests = box.count()
        operations = move_hosts(read, {"CRM.example": "crm2.example"})
        assert [(each.team_id, each.webhook_id) for each in operations] == [("111", ids[0]), ("112", ids[1])]
        assert box.count() == requests
        report = await doo.bulk.run(operations, baseline=read)
        assert report.counts()["applied"] == 2
        [item] = box.live("111")
        assert login(item)["endpoint"] == "https://crm2.example:8443/token"
        assert [hook["endpoint"] for hook in box.live("112")[1]["hooks"]] == [
            "https://crm2.example/x?y=1",
            "https://crm.example.org/crm.example",
        ]
        assert move_hosts(await doo.webhooks.list_all().collect(), {"crm.example": "crm2.example"}) == []


async def test_a_secret_is_rotated_where_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where nothing logs in, where it is the new one already, or at another token URL; and it is not shown."""
    old, new = secrets.token_hex(), secrets.token_hex()
    monkeypatch.setenv("AIODOO_TEST_NEW", new)
    async with sandbox() as box, box.session() as doo:
        elsewhere = classic("elsewhere", client_secret=old)
        elsewhere["authentication"]["endpoint"] = "https://b.example/token"
        has_none = {name: value for name, value in classic("none").items() if name != "authentication"}
        for content in (
            classic("old", client_secret=old),
            elsewhere,
            classic("new", client_secret=new),
            has_none,
        ):
            box.add_webhook("111", content)
        read = await doo.webhooks.list("111").collect()
        operations = rotate_secret(read, Secret.from_env("AIODOO_TEST_NEW"))
        assert new not in repr(operations)
        names = {webhook.id: webhook.name for webhook in read}
        assert {names[each.webhook_id] for each in operations} == {"old", "elsewhere"}
        operations = rotate_secret(read, new, token_url="*://b.example/*")
        assert [names[each.webhook_id] for each in operations] == ["elsewhere"]
        await doo.bulk.run(operations)
        held = {
            item["name"]: login(item)["credentials"]["client_secret"]
            for item in box.live("111")
            if "authentication" in item
        }
        assert held == {"old": old, "elsewhere": new, "new": new}


async def test_a_copy_makes_nothing_twice_and_names_what_cannot_be_copied() -> None:
    """Into the teams of another account; what is there stays, a masked secret is left out, an unknown scope is told."""
    async with (
        sandbox() as source,
        sandbox(echo_scope=True) as target,
        source.session() as doo,
        target.session(facts=Facts(list_echoes_scope=True)) as other,
    ):
        source.add_webhook("111", classic("one", client_secret=secrets.token_hex()))
        source.add_webhook("111", classic("masked", client_secret="***"))
        source.add_webhook("112", classic("two", client_secret=secrets.token_hex()))
        target.add_webhook("111", classic("theirs", client_secret=secrets.token_hex()))
        read = await doo.webhooks.list_all().collect()
        copies = copy_to_teams(read, {"111": "112"})
        assert [(each.team_id, each.config.name) for each in copies.operations] == [("112", "one")]
        assert copies.scope_unknown == copies.operations
        [left] = copies.left
        assert (left.webhook.name, "client secret is masked" in str(left.error)) == ("masked", True)
        both = copy_to_teams(read, {"111": "112", "112": "111"}).operations
        for status in ("applied", "unchanged"):
            assert (await other.bulk.run(both)).counts()[status] == 2
        assert [item["name"] for item in target.live("111")] == ["theirs", "two"]
        back = copy_to_teams(await other.webhooks.list_all().collect(), {"111": "111"})
        assert (len(back.operations), back.scope_unknown) == (2, ())


@pytest.mark.parametrize("secret", ["", "   ", "***", "abc...xyz"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    """Nothing would be rotated; the error does not show it."""
    with pytest.raises(ConfigError, match="nothing was sent") as caught:
        rotate_secret([], secret)
    assert secret.strip(" *") == "" or secret not in str(caught.value)


def test_hosts_and_teams_that_cannot_be_any_are_refused() -> None:
    """Before anything is read, if there is nothing to make operations of."""
    with pytest.raises(ConfigError, match="a host is a name with a port at most"):
        move_hosts([], {"https://crm.example": "crm2.example"})
    with pytest.raises(ConfigError, match="team id"):
        copy_to_teams([], {"111": "a/b"})


async def test_a_forecast_says_which_copies_may_widen() -> None:
    """As the report of the run does; where lists show what limits a webhook, none does."""
    async with sandbox() as box, box.session() as doo:
        webhook_id = box.add_webhook("111", classic("one", client_secret=secrets.token_hex()))
        operations = [
            Update("111", webhook_id, name="two"),
            Update("111", webhook_id, name="three", event_id="47"),
        ]
        forecast = await doo.bulk.forecast(operations)
        assert [each.index for each in forecast.scope_unknown] == [0]
        assert list(forecast.operations) == operations
        report = await doo.bulk.run(operations, baseline=forecast.baseline)
        assert [each.index for each in report.scope_unknown] == [0]
    async with sandbox(echo_scope=True) as box, box.session(facts=Facts(list_echoes_scope=True)) as doo:
        webhook_id = box.add_webhook("111", classic("one", client_secret=secrets.token_hex()))
        assert (await doo.bulk.forecast([Update("111", webhook_id, name="two")])).scope_unknown == ()
