from __future__ import annotations

import copy
import pickle
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from models.doo_lists import (
    ENDPOINT,
    SECRET,
    answer,
    authentication,
    first_example,
    items,
    listed,
    page_of,
    patient,
    second_example,
)

from aiodoo import ConfigError, Secret, WebhookConfiguration
from aiodoo.protocol.listing import read_page


def test_doos_first_example_reads_as_printed() -> None:
    """Every field of "Response example 1" has its typed place."""
    webhook = listed(first_example()["_embedded"]["webhooks"][0])
    assert (webhook.team_id, webhook.id) == ("111", "38cc7e8d-d107-11e7-bde8-0206116776d1")
    assert (webhook.name, webhook.description) == (
        "My Test Webhook",
        "Webhook for testing all the hook types",
    )
    assert [hook.type for hook in webhook.hooks] == [
        "event_created",
        "event_removed",
        "event_updated",
        "order_created",
        "order_removed",
        "order_updated",
        "order_cancelled",
    ]
    assert {(hook.method, hook.endpoint, hook.origin) for hook in webhook.hooks} == {("POST", ENDPOINT, None)}
    login = webhook.authentication
    assert login is not None
    assert (login.grant_type, login.endpoint) == ("client_credentials", ENDPOINT)
    assert (login.header_format, login.header_value_format) == ("Authorization", "Bearer %ACCESS_TOKEN%")
    assert (login.credentials.client_id, login.credentials.client_secret) == ("doo", Secret(SECRET))
    assert (webhook.event_id, webhook.event_guide_id) == (None, None)


def test_doos_second_example_reads_as_printed() -> None:
    """Types show doo's suffix; `base_type` does not."""
    webhook = listed(second_example()["_embedded"]["webhooks"][0])
    assert [hook.type for hook in webhook.hooks] == [
        "event_created_92bd9a53281981160c955e339304b3e5",
        "event_updated_2104384af7e8434f0058ed57163b6f33",
    ]
    assert [hook.base_type for hook in webhook.hooks] == ["event_created", "event_updated"]
    assert all(
        hook.origin and hook.origin.body.startswith('{"operationName":"Event') for hook in webhook.hooks
    )


@patient
@given(items())
def test_the_raw_item_is_kept(raw: dict[str, Any]) -> None:
    """`raw` is the item as doo sent it, anew each time."""
    webhook = listed(raw)
    assert webhook.raw == raw
    webhook.raw["name"] = "changed"
    assert webhook.raw == raw


def without_scalars(value: Any) -> Any:
    """Return JSON without its texts and numbers, empty texts aside."""
    if isinstance(value, dict):
        return {name: without_scalars(item) for name, item in value.items() if not is_scalar(item)}
    return (
        [without_scalars(item) for item in value if not is_scalar(item)] if isinstance(value, list) else value
    )


def is_scalar(value: Any) -> bool:
    """Tell whether it is a text that is not empty, or a number."""
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int | float) and not isinstance(value, bool)
    )


@patient
@given(items())
def test_a_listed_item_is_written_as_it_was(raw: dict[str, Any]) -> None:
    """`to_dict` keeps id, links and unknown fields; only secrets are asked about, and all under `credentials` are some."""
    webhook = listed(raw)
    assert webhook.to_dict(secrets="reveal") == raw
    hidden = copy.deepcopy(raw)
    if hidden.get("authentication"):
        credentials = hidden["authentication"]["credentials"]
        shown = {"client_id": credentials.pop("client_id")} if "client_id" in credentials else {}
        hidden["authentication"]["credentials"] = {**shown, **without_scalars(credentials)}
        with pytest.raises(ConfigError, match="secrets="):
            webhook.to_dict()
    assert webhook.to_dict(secrets="omit") == hidden


def test_a_secret_can_be_written_as_something_else() -> None:
    """A function decides what stands for the secret."""
    webhook = listed(first_example()["_embedded"]["webhooks"][0])
    written = webhook.to_dict(secrets=lambda secret: f"{len(secret.reveal())} letters")
    assert written["authentication"]["credentials"]["client_secret"] == "32 letters"


def test_a_repr_shows_no_secret() -> None:
    """Nothing that may be secret prints: the client secret, user-info and query of URLs, unknown fields."""
    word = secrets.token_hex(8)
    login = authentication(word) | {"endpoint": f"https://{word}@crm.example", "unknown": word}
    hooks = [{"type": "t", "endpoint": f"https://crm.example/?{word}", "unknown": word}]
    webhook = listed({"id": "1", "name": "n", "hooks": hooks, "authentication": login, "unknown": word})
    assert word not in repr(webhook)
    assert word not in repr(webhook._source)


def test_a_webhook_is_a_value() -> None:
    """Read twice, it is equal, hashes alike and copies; with a secret inside it does not pickle."""
    raw = second_example()["_embedded"]["webhooks"][0]
    one, two = listed(raw), listed(raw)
    assert (one, hash(one)) == (two, hash(two))
    assert copy.deepcopy(one) == one
    assert copy.deepcopy(one).raw == raw
    with pytest.raises(TypeError, match=r"not pickled.*to_dict\(secrets=\.\.\.\)"):
        pickle.dumps(one)


def test_a_webhook_without_a_secret_pickles_with_its_item() -> None:
    """What holds no secret can go to another process, unknown fields and all."""
    raw = {"id": "1", "name": "n", "hooks": [{"type": "t", "endpoint": ENDPOINT, "new": 1}]}
    again = pickle.loads(pickle.dumps(listed(raw)))  # noqa: S301  # our own bytes
    assert again == listed(raw)
    assert again.raw == raw


@pytest.mark.parametrize("shown", [{}, {"client_secret": ""}, {"client_secret": None}])
def test_a_webhook_whose_secret_is_not_shown_pickles(shown: dict[str, Any]) -> None:
    """A list that shows no secret gives none away: an empty one is nothing to refuse."""
    raw = {"id": "1", "name": "n", "authentication": {"endpoint": ENDPOINT, "credentials": shown}}
    again = pickle.loads(pickle.dumps(listed(raw)))  # noqa: S301  # our own bytes
    assert again == listed(raw)
    assert again.raw == raw


def test_a_pickle_holds_nothing_of_others() -> None:
    """Of a page whose other webhook has a client secret, that stays behind."""
    word = secrets.token_hex(8)
    others = {"id": "1", "name": "n", "hooks": [], "authentication": authentication(word)}
    own = {"id": "2", "name": "n", "hooks": [{"type": "t", "endpoint": ENDPOINT}]}
    _, webhook = read_page(answer(page_of(others, own)), "111", 1).items
    pickled = pickle.dumps(webhook)
    assert word.encode() not in pickled
    assert pickle.loads(pickled).raw == own  # noqa: S301  # our own bytes


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_duplicate_lets_go_of_the_page(duplicate: Callable[[Any], Any]) -> None:
    """A webhook keeps its page in memory; one that was duplicated keeps its own item alone."""
    kept = [{"id": str(number), "name": "n", "description": "d" * 1_000} for number in range(25)]
    webhook = read_page(answer(page_of(*kept)), "111", 1).items[7]
    own = duplicate(webhook)
    assert own == webhook
    assert own.raw == kept[7]
    assert len(pickle.dumps(webhook._source[0])) > 25_000
    assert len(pickle.dumps(own._source[0])) < 2_000


def test_a_webhook_has_no_other_attributes() -> None:
    """A misspelled attribute is an AttributeError, as on any object, listed or made by hand."""
    assert not hasattr(WebhookConfiguration(team_id="1", id="2", name="n"), "hook")
    with pytest.raises(AttributeError, match="hook"):
        listed(first_example()["_embedded"]["webhooks"][0]).hook  # type: ignore[attr-defined] # noqa: B018


def test_one_made_by_hand_writes_its_fields() -> None:
    """Without an item, `raw` and `to_dict` are written from the typed fields."""
    webhook = WebhookConfiguration(team_id="1", id="2", name="crm")
    assert webhook.raw == {"id": "2", "name": "crm", "hooks": []}
    assert webhook.to_dict() == webhook.raw


def test_one_can_be_imagined() -> None:
    """What a list would show after a create can be made without a request."""
    config = listed(second_example()["_embedded"]["webhooks"][0]).copy(name="other")
    shown = WebhookConfiguration.showing(config, team_id="1", webhook_id="2")
    assert (shown.team_id, shown.id, shown.name) == ("1", "2", "other")
    assert shown.copy() == config


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, "it must be an object"),
        ([("id", "1")], "it must be an object"),
        ({}, "missing required field"),
        ({"id": "1", "name": 5, "hooks": []}, r"\$\.name"),
        (
            {"id": "1", "name": "crm", "hooks": [{"type": b"\xff" * 3, "endpoint": object()}]},
            "JSON cannot say",
        ),
        ({"id": "1", "name": "a\ud800"}, "JSON cannot say"),
        ({"id": "1", "name": "crm", 5: object()}, "JSON cannot say"),
    ],
)
def test_what_is_no_listed_webhook_is_refused(item: Any, reason: str) -> None:
    """With the place where it differs, and no value."""
    with pytest.raises(ConfigError, match=f"a listed webhook configuration cannot be read: .*{reason}"):
        WebhookConfiguration.from_dict(item, team_id="111")
    with pytest.raises(ConfigError, match="a team id must be"):
        WebhookConfiguration.from_dict({"id": "1", "name": "crm"}, team_id="1/1")
