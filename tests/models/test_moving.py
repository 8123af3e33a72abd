"""Whole URLs moved, and single hooks changed: nothing else is touched, and nothing is lost."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Any

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Hook,
    Origin,
    Update,
    WebhookConfiguration,
)

OLD, NEW, OTHER = "https://old.example/a?x=1", "https://new.example/b", "https://old.example/other"


def listed(**fields: Any) -> WebhookConfiguration:
    """A listed webhook with fields that nobody knows, at every depth."""
    origin = {"body": "{}", "endpoint": OLD, "method": "POST", "x_origin": None}
    hooks = [
        {"type": "event_created", "endpoint": OLD, "method": "POST", "x_hook": [1, {"deep": None}]},
        {"type": "event_updated_" + "0" * 32, "endpoint": OTHER, "method": "POST", "origin": origin},
        {"type": "order_created", "endpoint": OLD, "method": "POST"},
    ]
    login = {
        "endpoint": OLD,
        "credentials": {"client_id": "doo", "client_secret": secrets.token_hex(), "x_credentials": 1},
        "grant_type": "client_credentials",
        "header_format": "Authorization",
        "header_value_format": "Bearer %ACCESS_TOKEN%",
    }
    item = {"id": "12", "name": "crm", "hooks": hooks, "authentication": login, "x_top": {"a": [None]}}
    return WebhookConfiguration.from_dict(item | fields, team_id="111")


def plain(config: AddWebhook) -> dict[str, Any]:
    """All that would be sent."""
    return config.to_dict(secrets="reveal")


def test_whole_urls_move_and_nothing_else_does() -> None:
    """Hook endpoints and the token URL that are exactly the old one; doo's own GraphQL endpoint is never touched."""
    expected = plain(listed_copy := (webhook := listed()).copy())
    expected["hooks"][0]["endpoint"] = expected["hooks"][2]["endpoint"] = NEW
    expected["authentication"]["endpoint"] = NEW
    moved = webhook.copy(endpoints={OLD: NEW, "https://nobody.example": "https://x.example"})
    assert plain(moved) == expected
    assert plain(listed_copy.copy(endpoints={OLD: NEW})) == expected
    assert moved.hooks[1].origin is not None
    assert moved.hooks[1].origin.endpoint == OLD
    assert "x_hook" in plain(moved)["hooks"][0]


def test_nothing_like_the_old_url_is_taken_for_it() -> None:
    """Neither the beginning of it nor another spelling."""
    webhook = listed()
    for old in ("https://old.example/a", "https://OLD.example/a?x=1", "https://old.example", OLD + "&", ""):
        assert plain(webhook.copy(endpoints={old: NEW})) == plain(webhook.copy())


def test_hosts_are_moved_last() -> None:
    """A URL that was put in another one's place moves with its host, as one in given hooks does."""
    moved = listed().copy(endpoints={OLD: OTHER}, hosts={"old.example": "new.example"})
    assert {hook.endpoint for hook in moved.hooks} == {"https://new.example/other"}


TWO = [{"type": "event_created", "endpoint": f"https://{host}.example/x"} for host in ("a", "c")]
"""Hooks that differ in their host only."""

MERGING: list[dict[str, Any]] = [
    {"hosts": {"a.example": "z.example", "c.example": "z.example"}},
    {"hosts": {"a.example": "c.example"}},
    {"endpoints": {"https://a.example/x": NEW, "https://c.example/x": NEW}},
    {"endpoints": {"https://a.example/x": "https://c.example/x"}},
    {"endpoints": {"https://a.example/x": "https://b.example/x"}, "hosts": {"b.example": "c.example"}},
]


@pytest.mark.parametrize("changes", MERGING)
def test_two_hooks_do_not_become_one_twice(changes: Any) -> None:
    """It would mean two deliveries of each event, and nobody has said so."""
    with pytest.raises(ConfigError, match=r"hooks\[1\] would become the same as hooks\[0\].*hooks="):
        listed(hooks=TWO).copy(**changes)


def test_what_was_the_same_before_moves_as_it_is() -> None:
    """An old webhook with one hook twice can still be moved, and so can two that swap places."""
    webhook = listed(hooks=[TWO[0], TWO[0]])
    webhook.copy(hosts={"a.example": "z.example"}).check()
    webhook.copy(endpoints={"https://a.example/x": NEW}).check()
    swapped = listed(hooks=TWO).copy(hosts={"a.example": "c.example", "c.example": "a.example"})
    assert [hook.endpoint for hook in swapped.hooks] == ["https://c.example/x", "https://a.example/x"]


def test_a_url_does_not_grow_past_what_doo_takes() -> None:
    """In a hook and in the authentication, unless it was too long before."""
    webhook = listed(hooks=[{"type": "event_created", "endpoint": OLD + "x" * (1000 - len(OLD))}])
    with pytest.raises(ConfigError, match=r"hooks\[0\].endpoint would have 1004 characters"):
        webhook.copy(hosts={"old.example": "renewed.example"})
    with pytest.raises(ConfigError, match=r"authentication\.endpoint would have 1001 characters"):
        listed().copy(endpoints={OLD: NEW, "none": NEW}).copy(
            endpoints={NEW: NEW + "x" * (1001 - len(NEW))}, hooks=[]
        )
    long = listed(hooks=[{"type": "event_created", "endpoint": OLD + "x" * 1000}])
    long.copy(hosts={"old.example": "renewed.example"}).check()


@pytest.mark.parametrize("changes", [*MERGING, {"hosts": {"a.example": "b" * 991}}])
def test_a_forecast_and_a_run_agree_that_it_does_not_move(changes: Any) -> None:
    """Nothing is sent for it, and the others move."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            one, other = (
                box.add_webhook("111", {"name": name, "description": "d", "hooks": TWO}) for name in "ab"
            )
            operations = [Update("111", one, **changes), Update("111", other, name="c")]
            expected = {"failed": 1, "applied": 1}
            assert (await doo.bulk.forecast(operations)).counts == expected
            report = await doo.bulk.run(operations)
            assert {status: count for status, count in report.counts().items() if count} == expected
            assert box.log.count("create") == 1

    simulate(main)


@pytest.mark.parametrize(
    "changes",
    [
        {"hosts": {"a.example": "b\ud800.example"}},
        {"hosts": {"a\ud800.example": "b.example"}},
        {"endpoints": {OLD: NEW + "\ud800"}},
        {"endpoints": {OLD + "\ud800": NEW}},
    ],
)
def test_what_utf_8_cannot_hold_is_refused_at_once(changes: Any) -> None:
    """It says of which webhook, and nothing is read for it."""
    with pytest.raises(ConfigError, match="update of webhook 12 in team 111: "):
        Update("111", "12", **changes)


def test_urls_that_swap_places_do_so() -> None:
    """Each is looked at once, as it was."""
    moved = listed().copy(endpoints={OLD: OTHER, OTHER: OLD})
    assert [hook.endpoint for hook in moved.hooks] == [OTHER, OLD, OTHER]


class Text(StrEnum):
    """A text of a class of its own."""

    URL = NEW


def test_a_text_of_another_class_becomes_plain() -> None:
    """As everywhere."""
    moved = listed().copy(endpoints={OLD: Text.URL})
    assert type(moved.hooks[0].endpoint) is str


@pytest.mark.parametrize(
    "wrong",
    [
        OLD,
        [(OLD, NEW)],
        {OLD: ""},
        {OLD: "new.example/b"},
        {OLD: "ftp://new.example/b"},
        {OLD: "https://"},
        {OLD: "https://new.example:99999/"},
        {OLD: "https://new.example/ b"},
        {OLD: None},
        {OLD: 3},
        {3: NEW},
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(wrong: Any) -> None:
    """The old one may be any text; the new one has to be a URL."""
    with pytest.raises(ConfigError, match="endpoints"):
        listed().copy(endpoints=wrong)


def test_an_error_shows_no_query() -> None:
    """A URL may hold credentials."""
    token = secrets.token_hex()
    with pytest.raises(ConfigError) as caught:
        listed().copy(endpoints={OLD: f"ftp://new.example/b?token={token}"})
    assert token not in str(caught.value)


def test_a_hook_is_copied_with_all_it_holds() -> None:
    """What is changed is changed, and fields that nobody knows stay."""
    [first, second, _] = (webhook := listed()).hooks
    copied = first.copy(endpoint=NEW)
    assert (copied.type, copied.endpoint, copied.method) == (first.type, NEW, first.method)
    assert copied.extra == first.extra == {"x_hook": [1, {"deep": None}]}
    assert first.endpoint == OLD
    assert second.copy().origin == second.origin
    expected = plain(webhook.copy())["hooks"]
    expected[0]["endpoint"] = expected[1]["endpoint"] = expected[2]["endpoint"] = NEW
    assert plain(webhook.copy(hooks=[hook.copy(endpoint=NEW) for hook in webhook.hooks]))["hooks"] == expected


def test_every_field_of_a_hook_can_be_changed() -> None:
    """By its name."""
    origin = Origin(body="{}")
    made = Hook(type="event_created", endpoint=OLD).copy(
        type="order_created", endpoint=NEW, method="GET", origin=origin, extra={"x": 1}
    )
    assert made == Hook(type="order_created", endpoint=NEW, method="GET", origin=origin, extra={"x": 1})


def test_another_field_of_a_hook_is_refused() -> None:
    """Also the private one."""
    for name in ("url", "_listed", "base_type"):
        with pytest.raises(ConfigError, match="the changes are type, endpoint, method, origin, extra"):
            listed().hooks[0].copy(**{name: "x"})  # type: ignore[typeddict-item]


def test_a_configuration_of_ones_own_moves_too() -> None:
    """Not only listed ones."""
    login = Authentication(endpoint=OLD, credentials=ClientCredentials(client_secret=secrets.token_hex()))
    config = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint=OLD)], authentication=login)
    moved = config.copy(endpoints={OLD: NEW})
    assert moved.authentication is not None
    assert (moved.hooks[0].endpoint, moved.authentication.endpoint) == (NEW, NEW)
