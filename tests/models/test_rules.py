"""What a person writes is checked by doo's rules; what was copied from a list passes."""

from __future__ import annotations

import copy
import pickle
from enum import StrEnum
from typing import Any

import attrs
import pytest
from models.doo_lists import listed

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Create,
    Facts,
    Hook,
    Origin,
    Replace,
    Secret,
    Update,
    WebhookConfiguration,
)
from aiodoo.checks import check_base_url, check_id
from aiodoo.credentials import check_key
from aiodoo.operations.operations import check_operation

LONG = "x" * 300
URL = "https://crm.example/"
OLD_HOOK = {"type": "on_event_created", "method": "AAA", "endpoint": URL + "x" * 1000, "retries": 7}
OLD = {
    "id": "12",
    "name": LONG,
    "description": LONG,
    "zone": "eu",
    "hooks": [OLD_HOOK, OLD_HOOK, {"type": "made_up", "endpoint": URL, "origin": {"body": "[]", "method": "GET", "deep": {"a": None}}}],
    "authentication": {
        "endpoint": URL + "x" * 1000,
        "credentials": {"client_secret": "s3cret-s3cret", "client_id": "doo", "realm": "a"},
        "grant_type": "password",
        "header_format": "X" * 101,
        "audience": None,
    },
}  # fmt: skip


class Safe(str):
    """A text of another class, as a template or an array gives it."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not the text"


class Types(StrEnum):
    """Somebody's own words for hook types."""

    CREATED = "event_created"


def test_what_was_copied_passes_as_it_was_listed() -> None:
    """An old webhook that no rule of today fits can still be moved, and copied once more."""
    config = listed(OLD).copy(hosts={"crm.example": "new.example"})
    for hook in config.hooks:
        assert hook.endpoint.startswith("https://new.example/")
    listed(OLD).copy().check()
    listed(OLD).copy().copy(event_id="5").check()


@pytest.mark.parametrize(
    "odd",
    [
        {"name": " "},
        {"hooks": [{"type": "event_created", "endpoint": endpoint} for endpoint in ("not a url", "ftp://a.example", "")]},
        {"hooks": [{"type": "", "method": "", "endpoint": URL, "origin": {"body": "{x", "endpoint": "gql"}}]},
        {"hooks": [{"type": "event_created", "endpoint": "ftp://crm.example/a"}]},
        {"authentication": {"endpoint": "", "credentials": {"client_secret": "s3cret"}, "grant_type": "", "header_format": ""}},
    ],
)  # fmt: skip
def test_whatever_doo_holds_may_go_back_to_it(odd: dict[str, Any]) -> None:
    """Only JSON limits it: that a text is blank, no URL or no JSON is for doo to judge."""
    item = {"id": "12", "name": "crm", "hooks": [{"type": "event_created", "endpoint": URL}]} | odd
    webhook = WebhookConfiguration.from_dict(item, team_id="111")
    webhook.copy().check()
    webhook.copy(event_id="5").copy(hosts={"crm.example": "new.example"}).check()
    check_operation(Replace("111", "12", webhook.copy(description="other")), Facts())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": LONG + "y"}, "name has 301 characters"),
        ({"description": LONG + "y"}, "description has 301 characters"),
        ({"event_id": ""}, "event_id is empty"),
        ({"hooks": [Hook(type="on_event_created", endpoint=URL)]}, "hooks[0].type begins with on_"),
        ({"hooks": [attrs.evolve(listed(OLD).hooks[0], method="BBB")]}, "hooks[0].method must be one of"),
        ({"hooks": [attrs.evolve(listed(OLD).hooks[2], type="on_x")]}, "hooks[0].type begins with on_"),
        (
            {"authentication": attrs.evolve(listed(OLD).authentication, grant_type="x")},  # type: ignore[type-var]
            "authentication.grant_type must be client_credentials",
        ),
    ],
)
def test_what_a_person_changes_is_checked(changes: Any, place: str) -> None:
    """Only what stays as it was listed passes."""
    with pytest.raises(ConfigError) as caught:
        listed(OLD).copy(**changes).check()
    assert str(caught.value).startswith(place)


def test_a_type_is_more_than_a_suffix() -> None:
    """The suffix is cut off before it is sent, and nothing would be left."""
    hook = Hook(type="_" + "0a" * 16, endpoint=URL, origin=Origin(body="{}"))
    with pytest.raises(ConfigError, match=r"hooks\[0\]\.type is nothing but the suffix"):
        AddWebhook(name="crm", hooks=[hook]).check()


def test_the_same_hook_twice_is_refused() -> None:
    """It would mean two deliveries of each event; hooks that differ in anything are two."""
    hook = Hook(type="event_created", endpoint=URL)
    AddWebhook(name="crm", hooks=[hook, attrs.evolve(hook, endpoint=f"{URL}b")]).check()
    with pytest.raises(ConfigError, match=r"hooks\[1\] is the same as hooks\[0\]"):
        AddWebhook(name="crm", hooks=[hook, attrs.evolve(hook)]).check()


def test_unknown_fields_stay_when_listed_parts_are_changed() -> None:
    """attrs.evolve on a hook or an authentication of a list keeps what aiodoo does not know, at any depth."""
    webhook = listed(OLD)
    hooks = [attrs.evolve(hook, endpoint="https://new.example/") for hook in webhook.hooks]
    login = webhook.authentication
    assert login is not None
    config = webhook.copy(
        hooks=hooks, authentication=attrs.evolve(login, endpoint="https://new.example/token")
    )
    written = config.to_dict(secrets="reveal")
    assert [hook.get("retries") for hook in written["hooks"]] == [7, 7, None]
    assert written["hooks"][2]["origin"]["deep"] == {"a": None}
    assert written["authentication"]["audience"] is None
    assert written["authentication"]["credentials"]["realm"] == "a"
    assert written["zone"] == "eu"


def test_listed_parts_keep_their_unknown_fields_when_they_are_copied_and_pickled() -> None:
    """They are the hooks' own, not those of the page that they came from."""
    hook = listed(OLD).hooks[0]
    for same in (copy.copy(hook), copy.deepcopy(hook), pickle.loads(pickle.dumps(hook))):  # noqa: S301  # our own
        assert same == hook
        assert same.extra == {"retries": 7}


def test_texts_of_any_class_become_plain() -> None:
    """Whatever was handed in, what is kept is a str that JSON and URLs take."""
    hook = Hook(
        type=Types.CREATED,
        endpoint=Safe(URL),
        method=Safe("POST"),
        origin=Origin(body=Safe("{}"), endpoint=Safe(URL), method=Safe("POST")),
        extra={Safe("a"): [Safe("b"), {Safe("c"): Safe("d")}]},
    )
    login = Authentication(
        endpoint=Safe(URL),
        credentials=ClientCredentials(
            client_secret=Safe("s3cret"), client_id=Safe("doo"), extra={"x": Safe("y")}
        ),
        grant_type=Safe("client_credentials"),
        header_format=Safe("Authorization"),
        header_value_format=Safe("Bearer %ACCESS_TOKEN%"),
    )
    config = AddWebhook(
        name=Safe("crm"),
        description=Safe("d"),
        event_id=Safe("5"),
        event_guide_id=6,
        hooks=[hook],
        authentication=login,  # type: ignore[arg-type]
    )
    config.check()
    changed = config.copy(
        name=Safe("n"), client_secret=Safe("t"), hosts={Safe("crm.example"): Safe("new.example")}
    )
    read = AddWebhook.from_dict(
        {
            Safe("name"): Safe("crm"),
            "hooks": [{Safe("type"): Types.CREATED, "endpoint": Safe(URL), Safe("z"): Safe("z")}],
        }
    )
    for each in (config, changed, read):
        all_plain(each.to_dict(secrets="reveal"))
    assert (config.name, config.event_guide_id, hook.type) == ("crm", "6", "event_created")
    assert type(Secret(Safe("a")).reveal()) is str
    assert type(check_id(Safe("a"))) is type(check_base_url(Safe("https://a.example"))) is str
    assert type(check_key(Safe("a"), "API key").reveal()) is str
    graphql = Hook.graphql(Types.CREATED, endpoint=URL, query=Safe("{a}"), variables={Safe("a"): Safe("b")})
    assert graphql.origin is not None
    assert graphql.origin.body == '{"operationName":null,"variables":{"a":"b"},"query":"{a}"}'


def all_plain(data: Any) -> None:
    """Fail if a text in it is of another class than str."""
    if isinstance(data, dict):
        for name, value in data.items():
            all_plain(name)
            all_plain(value)
    elif isinstance(data, list):
        for value in data:
            all_plain(value)
    elif isinstance(data, str):
        assert type(data) is str


def test_an_update_that_cannot_be_made_names_its_webhook() -> None:
    """A script that makes thousands of them has to find the row."""
    with pytest.raises(ConfigError, match="update of webhook 12 in team 111: name must be a text"):
        Update("111", "12", name="")


def test_an_id_may_be_a_number() -> None:
    """As in what from_dict reads, and in files."""
    hooks = [Hook(type="event_created", endpoint=URL)]
    assert AddWebhook(name="crm", hooks=hooks, event_id=12).event_id == "12"
    assert AddWebhook.from_dict({"name": "crm", "hooks": [], "event_id": 12}).event_id == "12"
    assert Update("1", "2", event_id=12).changes.get("event_id") == "12"  # type: ignore[typeddict-item]
    assert Create("1", AddWebhook(name="crm", hooks=hooks, event_guide_id=7)).config.event_guide_id == "7"
