from __future__ import annotations

import copy
import pickle
import secrets
from typing import Any

import attrs
import pytest

from aiodoo import AddWebhook, Authentication, ClientCredentials, ConfigError, Hook, Origin, Secret

SECRET = secrets.token_hex(16)


def login(secret: str = SECRET) -> Authentication:
    """Return an authentication with this secret."""
    return Authentication(
        endpoint="https://crm.example/token", credentials=ClientCredentials(client_secret=Secret(secret))
    )


def config(**fields: Any) -> AddWebhook:
    """Return a configuration with one hook, and these fields."""
    return AddWebhook(
        **{"name": "crm", "hooks": [Hook(type="event_created", endpoint="https://crm.example/doo")]} | fields
    )


def test_the_smallest_configuration_has_doos_fixed_words() -> None:
    """Only a name, a type and an endpoint must be given; what doo's page fixes is filled in."""
    assert config().to_dict() == {
        "name": "crm",
        "description": "crm",
        "hooks": [{"type": "event_created", "endpoint": "https://crm.example/doo", "method": "POST"}],
    }


def test_a_description_of_none_is_left_out() -> None:
    """The description is the name unless it is given; None leaves the key away."""
    assert "description" not in config(description=None).to_dict()


def test_the_whole_object_is_written_as_doo_documents_it() -> None:
    """Every field of doo's "Webhook configuration object" has its place."""
    origin = Origin(body='{"query":"{a}"}')
    hook = Hook(type="event_created", endpoint="https://crm.example/doo", origin=origin)
    whole = config(hooks=[hook], event_id="7", event_guide_id="8", authentication=login())
    assert whole.to_dict(secrets="reveal") == {
        "name": "crm",
        "description": "crm",
        "event_id": "7",
        "event_guide_id": "8",
        "hooks": [
            {
                "type": "event_created",
                "method": "POST",
                "endpoint": "https://crm.example/doo",
                "origin": {"method": "POST", "endpoint": "https://gql.doo.net", "body": '{"query":"{a}"}'},
            }
        ],
        "authentication": {
            "grant_type": "client_credentials",
            "endpoint": "https://crm.example/token",
            "credentials": {"client_id": "doo", "client_secret": SECRET},
            "header_format": "Authorization",
            "header_value_format": "Bearer %ACCESS_TOKEN%",
        },
    }


def test_writing_a_secret_wants_a_word_about_it() -> None:
    """Without being told what to do with a client secret, nothing is written."""
    with pytest.raises(ConfigError, match="secrets="):
        config(authentication=login()).to_dict()


def test_secrets_are_left_out_or_replaced_as_told() -> None:
    """A secret can be left out, or be written as whatever a function makes of it."""
    whole = config(authentication=login())
    assert whole.to_dict(secrets="omit")["authentication"]["credentials"] == {"client_id": "doo"}
    seen: list[Secret] = []
    written = whole.to_dict(secrets=lambda secret: (seen.append(secret), {"env": "CRM"})[1])
    assert written["authentication"]["credentials"]["client_secret"] == {"env": "CRM"}
    assert seen == [Secret(SECRET)]


def test_what_is_written_can_be_read_again() -> None:
    """Reading gives back what was written, with unknown fields at every depth."""
    hook = Hook(
        type="t",
        endpoint="https://crm.example",
        origin=Origin(body="{}", extra={"deep": [None]}),
        extra={"extra": 1},
    )
    whole = config(
        description=None,
        hooks=[hook],
        extra={"new": {"a": "ü"}},
        authentication=attrs.evolve(login(), extra={"later": True}),
    )
    assert AddWebhook.from_dict(whole.to_dict(secrets="reveal")) == whole


def test_a_reader_may_hand_in_secrets() -> None:
    """Where plain data holds a Secret already, it is taken as it is."""
    plain = config(authentication=login()).to_dict(secrets=lambda secret: secret)
    assert AddWebhook.from_dict(plain) == config(authentication=login())


def test_whole_numbers_stand_for_event_ids() -> None:
    """An event id written as a number, as YAML would have it, becomes text."""
    read = AddWebhook.from_dict(config().to_dict() | {"event_id": 7, "event_guide_id": 8})
    assert (read.event_id, read.event_guide_id) == ("7", "8")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": None}, "$.name must be text, not null"),
        ({"name": 5}, "$.name must be text, not a number"),
        ({"description": False}, "$.description must be text, not true or false"),
        ({"event_id": 1.0}, "$.event_id must be text, not a number"),
        ({"event_id": True}, "$.event_id must be text, not true or false"),
        ({"hooks": "event_created"}, "$.hooks must be a list, not text"),
        ({"hooks": {"type": "t"}}, "$.hooks must be a list, not a mapping"),
        ({"hooks": [[]]}, "$.hooks[0] must be a mapping, not a list"),
        ({"hooks": [{"type": "t"}]}, "$.hooks[0].endpoint is missing"),
        ({"hooks": [{"type": ["t"], "endpoint": "e"}]}, "$.hooks[0].type must be text, not a list"),
        ({"hooks": [{"type": "t", "endpoint": "e", "origin": {}}]}, "$.hooks[0].origin.body is missing"),
        ({"authentication": "x"}, "$.authentication must be a mapping, not text"),
        ({"authentication": {"endpoint": "e"}}, "$.authentication.credentials is missing"),
        (
            {"authentication": {"endpoint": "e", "credentials": {"client_secret": 5}}},
            "$.authentication.credentials.client_secret must be text, not a number",
        ),
        ({5: "x"}, "$ has a key that is not text"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(change: dict[Any, Any], place: str) -> None:
    """Nothing is converted; a fault says where it is and what was expected."""
    with pytest.raises(ConfigError) as caught:
        AddWebhook.from_dict(config().to_dict() | change)
    assert place in str(caught.value)


def test_every_fault_is_told_and_no_value_shown() -> None:
    """One error names several faults, and none of the values that are wrong."""
    word = secrets.token_hex(8)
    with pytest.raises(ConfigError) as caught:
        AddWebhook.from_dict({"hooks": [{"type": [word], "endpoint": {"a": word}}]})
    told = str(caught.value)
    assert all(place in told for place in ("$.name", "$.hooks[0].type", "$.hooks[0].endpoint"))
    error: BaseException | None = caught.value
    while error is not None:
        assert word not in f"{error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("name", ["id", "_links", "team_id"])
def test_what_only_doo_decides_is_refused(name: str) -> None:
    """An exported list item must lose what a new configuration cannot have; the error says so."""
    with pytest.raises(ConfigError, match=rf"{name}.* remove it"):
        AddWebhook.from_dict(config().to_dict() | {name: "12"})


def test_a_repr_shows_no_secret_and_no_credentials_in_urls() -> None:
    """What may be secret never prints: client secrets, user-info and query of URLs, unknown fields, bodies."""
    word = secrets.token_hex(8)
    whole = config(
        hooks=[
            Hook(
                type="t",
                endpoint=f"https://me:{word}@crm.example/doo?token={word}#{word}",
                origin=Origin(body=f'{{"query":"{word}"}}', endpoint=f"https://{word}@gql.doo.net"),
                extra={"unknown": word},
            )
        ],
        authentication=Authentication(
            endpoint=f"https://crm.example/token?key={word}",
            credentials=ClientCredentials(client_secret=Secret(word), extra={"password": word}),
            extra={"unknown": word},
        ),
        extra={"unknown": word},
    )
    assert word not in repr(whole)
    assert "https://crm.example/doo?..." in repr(whole)


def test_configurations_are_values() -> None:
    """Equal ones are equal and hash alike; they copy, and pickle if there is no secret in them."""
    one, two = config(extra={"a": [1]}), config(extra={"a": [1]})
    assert (one, hash(one)) == (two, hash(two))
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # our own bytes
    assert config(authentication=login("a" * 9)) != config(authentication=login("b" * 9))


def test_a_secret_does_not_pickle() -> None:
    """A configuration with a client secret cannot slip into a pickle."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config(authentication=login()))


def test_unknown_fields_are_read_as_a_copy() -> None:
    """A configuration does not change when the data it was read from does."""
    plain = config().to_dict() | {"new": {"a": [1]}}
    read = AddWebhook.from_dict(plain)
    plain["new"]["a"].append(2)
    assert read.extra == {"new": {"a": [1]}}
