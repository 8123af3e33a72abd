from __future__ import annotations

import copy
import json
import re
import secrets
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models.doo_lists import (
    ENDPOINT,
    SECRET,
    answer,
    authentication,
    first_example,
    items,
    listed,
    patient,
    second_example,
)
from models.test_masking import MASKS

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Hook,
    NotCopyable,
    SchemaMismatch,
    Secret,
    WebhookConfiguration,
)
from aiodoo.models.copying import copy_of
from aiodoo.models.endpoints import move
from aiodoo.operations import Update
from aiodoo.protocol.answers import read_page
from aiodoo.secret import ListedSecret

SUFFIX = re.compile(r"_[0-9a-f]{32}\Z")


def item(**fields: Any) -> dict[str, Any]:
    """Return a plain list item with these fields."""
    hooks = [{"type": "event_created", "method": "POST", "endpoint": ENDPOINT}]
    return {"id": "12", "name": "crm", "hooks": hooks, "authentication": authentication()} | fields


def canonical(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an item by hand: no server-owned fields, no null where a field may be missing."""
    content = copy.deepcopy(raw)
    for name in ("id", "_links", "team_id"):
        content.pop(name, None)
    for name in ("description", "authentication", "event_id", "event_guide_id"):
        if content.get(name, 0) is None:
            del content[name]
        elif isinstance(content.get(name), int):
            content[name] = str(content[name])
    for hook in content["hooks"]:
        if hook.get("origin", 0) is None:
            del hook["origin"]
        elif "origin" in hook:
            hook["type"] = SUFFIX.sub("", hook["type"])
    return content


@patient
@given(items())
def test_a_copy_is_the_item_without_what_only_doo_decides(raw: dict[str, Any]) -> None:
    """Every field, known or not, at any depth, comes back as it was."""
    assert canonical(listed(raw).copy().to_dict(secrets="reveal")) == canonical(raw)


PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(min_size=1).filter(str.strip),
        "description": st.none() | st.text(),
        "event_id": st.none() | st.text(min_size=1),
        "event_guide_id": st.none() | st.text(min_size=1),
        "hosts": st.dictionaries(
            st.sampled_from(["crm.example", "CRM.EXAMPLE:8443", "unused.example"]),
            st.sampled_from(["new.example", "new.example:1"]),
            max_size=2,
        ),
    },
)


@patient
@given(items(), PATCHES)
def test_a_copy_differs_in_its_changes_only(raw: dict[str, Any], patch: dict[str, Any]) -> None:
    """canonical(copy) == canonical(item + patch), for any item and any change."""
    wanted = canonical(raw)
    hosts = {old.lower(): new for old, new in patch.get("hosts", {}).items()}
    for part in [*wanted["hooks"], *([wanted["authentication"]] if "authentication" in wanted else [])]:
        part["endpoint"] = move(part["endpoint"], hosts)
    for name, value in patch.items():
        if name != "hosts":
            wanted[name] = value
    wanted = {name: value for name, value in wanted.items() if name not in patch or value is not None}
    assert canonical(listed(raw).copy(**patch).to_dict(secrets="reveal")) == canonical(wanted)


@patient
@given(items())
def test_a_second_copy_changes_nothing(raw: dict[str, Any]) -> None:
    """Copying what was copied gives the same again."""
    config = listed(raw).copy()
    assert config.copy() == config
    assert AddWebhook.from_dict(config.to_dict(secrets="reveal")) == config


def test_doos_first_example_can_be_copied() -> None:
    """Seven plain hooks come back as they are, and pass the checks."""
    raw = first_example()["_embedded"]["webhooks"][0]
    config = listed(raw).copy()
    config.check()
    assert config.to_dict(secrets="reveal") == {
        name: raw[name] for name in ("name", "description", "hooks", "authentication")
    }


def test_doos_second_example_can_be_copied() -> None:
    """GraphQL hooks lose their suffixes, and nothing else."""
    raw = second_example()["_embedded"]["webhooks"][0]
    config = listed(raw).copy()
    config.check()
    assert [hook.type for hook in config.hooks] == ["event_created", "event_updated"]
    assert [hook.origin for hook in config.hooks] == [hook.origin for hook in listed(raw).hooks]


def test_a_suffix_on_a_hook_without_origin_is_part_of_its_type() -> None:
    """Only hooks with an origin are suffixed by doo's lists."""
    hook_type = "custom_" + secrets.token_hex(16)
    raw = item(hooks=[{"type": hook_type, "method": "POST", "endpoint": ENDPOINT}])
    assert listed(raw).copy().hooks[0].type == hook_type


def test_another_suffix_can_be_told() -> None:
    """What doo appends is not documented, so the pattern can be given."""
    raw = item(hooks=[{"type": "event_created-v2", "endpoint": ENDPOINT, "origin": {"body": "{}"}}])
    copied = copy_of(listed(raw), {}, type_suffix=re.compile(r"-v[0-9]+\Z"))
    assert copied.hooks[0].type == "event_created"


def test_a_new_secret_and_new_hosts() -> None:
    """A client secret and a host are changed in one go; the query's endpoint never moves."""
    raw = second_example()["_embedded"]["webhooks"][0]
    secret = secrets.token_hex(8)
    config = listed(raw).copy(
        client_secret=secret, hosts={"requestb.in": "crm.example", "gql.doo.net": "evil.example"}
    )
    assert config.authentication is not None
    assert config.authentication.credentials.client_secret == Secret(secret)
    assert config.authentication.endpoint == "https://crm.example/123"
    assert {hook.endpoint for hook in config.hooks} == {"https://crm.example/123"}
    assert all(hook.origin and hook.origin.endpoint == "https://gql.doo.net" for hook in config.hooks)


def test_authentication_can_be_removed_or_replaced() -> None:
    """None removes it; a new one takes its place whole."""
    webhook = listed(item())
    assert webhook.copy(authentication=None).authentication is None
    login = Authentication(endpoint=ENDPOINT, credentials=ClientCredentials(client_secret=Secret(SECRET)))
    assert webhook.copy(authentication=login).authentication == login


def test_hooks_taken_from_the_list_stay_whole() -> None:
    """Choosing some of the listed hooks loses none of their unknown fields, nor keeps their suffixes."""
    raw = item(
        hooks=[
            {
                "type": f"event_created_{'0a' * 16}",
                "endpoint": ENDPOINT,
                "origin": {"body": "{}", "deep": 1},
                "new": 2,
            },
            {"type": "event_removed", "endpoint": ENDPOINT},
        ]
    )
    webhook = listed(raw)
    config = webhook.copy(hooks=webhook.hooks[:1])
    assert config.hooks[0].type == "event_created"
    assert config.hooks[0].extra == {"new": 2}
    assert config.hooks[0].origin is not None
    assert config.hooks[0].origin.extra == {"deep": 1}


def test_changed_hooks_of_the_list_lose_their_suffix() -> None:
    """A listed hook that was changed by hand does not bring doo's suffix along."""
    webhook = listed(second_example()["_embedded"]["webhooks"][0])
    moved = [attrs.evolve(hook, endpoint="https://crm.example") for hook in webhook.hooks]
    assert [hook.type for hook in webhook.copy(hooks=moved).hooks] == ["event_created", "event_updated"]


@pytest.mark.parametrize("mask", [mask for mask in MASKS if mask is None or isinstance(mask, str)])
def test_a_mask_is_never_copied(mask: object) -> None:
    """A masked, empty or missing secret is refused, unless there is a new one."""
    webhook = listed(item(authentication=authentication(mask)))
    with pytest.raises(NotCopyable, match="give client_secret="):
        webhook.copy(name="other")
    secret = secrets.token_hex(8)
    copied = webhook.copy(client_secret=secret).authentication
    assert copied is not None
    assert copied.credentials.client_secret == Secret(secret)
    assert webhook.copy(authentication=None).authentication is None


def test_a_new_authentication_may_keep_the_listed_secret() -> None:
    """`ListedSecret` stands for it; nothing else can send that, and a mask is refused as ever."""
    kept = ClientCredentials(client_secret=ListedSecret(), client_id="other")
    wanted = Authentication(endpoint="https://new.example/token", credentials=kept)
    copied = listed(item(authentication=authentication(SECRET))).copy(authentication=wanted).authentication
    assert copied is not None
    assert copied.endpoint == "https://new.example/token"
    assert copied.credentials == ClientCredentials(client_secret=Secret(SECRET), client_id="other")
    for without in (authentication("****"), None):
        with pytest.raises(NotCopyable, match="12 of team 111"):
            listed(item(authentication=without)).copy(authentication=wanted)
    hooks = [Hook(type="event_created", endpoint=ENDPOINT)]
    with pytest.raises(ConfigError, match="to be the one that doo lists already"):
        AddWebhook(name="crm", hooks=hooks, authentication=wanted).check()


@pytest.mark.parametrize("credentials", [None, {}, {"client_id": "doo"}, {"client_secret": None}])
def test_a_secret_that_is_not_shown_is_not_copied(credentials: object) -> None:
    """Lists that leave the secret out give the same refusal, and the same way out."""
    webhook = listed(item(authentication={"endpoint": ENDPOINT, "credentials": credentials}))
    with pytest.raises(NotCopyable, match="12 of team 111"):
        webhook.copy()
    copied = webhook.copy(client_secret=SECRET).authentication
    assert copied is not None
    assert copied.credentials == ClientCredentials(client_secret=Secret(SECRET))


@pytest.mark.parametrize("hooks", [None, [], {}, {"0": {"type": "t"}}])
def test_hooks_that_cannot_be_sent_back_are_not_copied(hooks: object) -> None:
    """A configuration without readable hooks is copied only with new ones."""
    webhook = listed(item(hooks=hooks))
    assert webhook.hooks == ()
    with pytest.raises(NotCopyable, match="give hooks="):
        webhook.copy()
    hook = Hook(type="t", endpoint=ENDPOINT)
    assert webhook.copy(hooks=[hook]).hooks == (hook,)


@pytest.mark.parametrize("value", [b"1e400", b"[" * 65 + b"]" * 65, b"[" * 500 + b"]" * 500])
def test_what_python_cannot_bear_is_not_copied(value: bytes) -> None:
    """Unknown fields are parsed when a copy is made; what could not be sent back is refused then."""
    body = json.dumps({"_embedded": {"webhooks": [item(big="VALUE")]}}).encode().replace(b'"VALUE"', value)
    webhook = read_page(answer(body), "111", 1).items[0]
    with pytest.raises(NotCopyable, match="cannot be sent back"):
        webhook.copy()
    with pytest.raises(SchemaMismatch, match="webhook configuration 12"):
        _ = webhook.raw


@pytest.mark.parametrize(
    "changes",
    [
        {"nmae": "x"},
        {"id": "13"},
        {"extra": {}},
        {"hosts": None},
        {"hosts": {"a": "b/c"}},
        {"hooks": 5},
        {"hooks": "event_created"},
        {"hooks": [{"type": "t"}]},
        {"authentication": {"endpoint": "x"}},
        {"client_secret": ""},
        {"client_secret": None},
        {"client_secret": 5},
        {"name": 5},
        {"name": " "},
        {"name": "\ud800"},
        {"description": 5},
        {"event_id": 47.11},
        {"event_id": False},
        {"event_guide_id": object()},
    ],
)
def test_changes_that_cannot_be_made_are_refused(changes: Any) -> None:
    """A misspelled or impossible change is an error, for what is listed and for what is to be sent."""
    webhook = listed(item())
    for source in (webhook, webhook.copy()):
        with pytest.raises(ConfigError, match=r"(?i)nothing was sent"):
            source.copy(**changes)
    with pytest.raises(ConfigError, match=r"(?i)nothing was sent"):
        Update("111", "12", **changes)


def test_an_unknown_change_is_told_the_known_ones() -> None:
    """The error names what can be changed."""
    with pytest.raises(
        ConfigError,
        match="name, description, event_id, event_guide_id, client_secret, hosts, endpoints, hooks, authentication",
    ):
        listed(item()).copy(nmae="x")  # type: ignore[call-arg]


def test_a_secret_needs_an_authentication_to_go_into() -> None:
    """A client secret for a configuration that has no authentication is a mistake."""
    with pytest.raises(ConfigError, match="give authentication="):
        listed(item(authentication=None)).copy(client_secret=SECRET)


def test_one_made_by_hand_is_copied_from_its_fields() -> None:
    """Without a listed item, the typed fields are all there is; the same refusals hold."""
    login = Authentication(endpoint=ENDPOINT, credentials=ClientCredentials(client_secret=Secret(SECRET)))
    hook = Hook.graphql("event_created_" + "0a" * 16, endpoint=ENDPOINT, query="{a}")
    webhook = WebhookConfiguration(team_id="1", id="2", name="crm", hooks=(hook,), authentication=login)
    assert webhook.copy() == AddWebhook(
        name="crm", description=None, hooks=[attrs.evolve(hook, type="event_created")], authentication=login
    )
    with pytest.raises(NotCopyable, match="hooks"):
        attrs.evolve(webhook, hooks=()).copy()
    masked = attrs.evolve(login, credentials=ClientCredentials(client_secret=Secret("****")))
    with pytest.raises(NotCopyable, match="client_secret"):
        attrs.evolve(webhook, authentication=masked).copy()


def test_an_evolved_configuration_is_what_it_says() -> None:
    """Changing the typed view by hand changes what a copy is made of."""
    assert attrs.evolve(listed(item()), name="other").copy().name == "other"
