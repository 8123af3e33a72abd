"""The six operations and the gateway's own answers, asked without a network."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from sandbox_asker import Asker, asker, read

from aiodoo.sandbox import Box, Credentials, Request, classic, graphql

SECRET = secrets.token_hex()
ENTROPY = secrets.token_bytes()


def test_token() -> None:
    """A token answer has 40 hex digits under data, a refresh token of null, and nothing about expiry."""
    client = Asker(Box(plan=None))
    answer = client.log_in()
    assert answer.status == 200
    content = read(answer)
    token = content["data"].pop("access_token")
    assert re.fullmatch("[0-9a-f]{40}", token)
    assert content == {
        "response_status": 200,
        "developer_message": "Success",
        "user_message": "Success",
        "data": {"refresh_token": None},
        "_links": {"self": {"href": "https://rest.doo.net/v1/oauth"}},
    }


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_secret": "wrong"}, 401),
        ({"client_id": "wrong"}, 401),
        ({"grant_type": "password"}, 400),
        ({"grant_type": None}, 400),
        ({"client_secret": 5}, 400),
    ],
)
def test_token_refused(change: dict[str, Any], status: int) -> None:
    """Wrong credentials are answered with 401 in doo's envelope, a request that is not as documented with 400."""
    client = Asker(Box(plan=None))
    own = client.credentials
    right = {
        "client_id": own.client_id,
        "client_secret": own.client_secret,
        "grant_type": "client_credentials",
    }
    answer = client.ask("POST", "/oauth", right | change)
    assert (answer.status, read(answer)["response_status"]) == (status, status)


@pytest.mark.parametrize("token", [None, "0" * 40])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/organizers/current/organizations"),
        ("GET", "/team/111/webhooks"),
        ("POST", "/team/111/webhooks"),
        ("POST", "/webhooks/init/events"),
    ],
)
def test_bearer_is_needed(method: str, path: str, token: str | None) -> None:
    """Without a good token everything but a token request and a delete is refused with 401."""
    client = Asker(Box(plan=None))
    client.token = token
    answer = client.ask(method, path, {})
    assert (answer.status, read(answer)["user_message"]) == (401, "Unauthorized")


def test_token_needs_its_scheme() -> None:
    """A good token after another word than Bearer is no good."""
    client = asker()
    answer = client.ask("GET", "/team/111/webhooks", headers={"Authorization": f"Basic {client.token}"})
    assert answer.status == 401


def test_token_of_another_key() -> None:
    """A token is good only together with the key it was issued to."""
    box = Box(plan=None)
    first, second = Asker(box), Asker(box, box.add_key(None))
    first.log_in()
    second.token = first.token
    assert second.ask("GET", "/team/111/webhooks").status == 401


def test_token_lifetime() -> None:
    """A token ends after its lifetime, when all are revoked, or when a newer one is the only good one."""
    client = asker(token_lifetime=60.0)
    client.now = 59.9
    assert client.ask("GET", "/team/111/webhooks").status == 200
    client.now = 60.0
    assert client.ask("GET", "/team/111/webhooks").status == 401
    client.log_in()
    client.box.revoke_tokens()
    assert client.ask("GET", "/team/111/webhooks").status == 401
    for newest_only, status in ((False, 200), (True, 401)):
        client = asker(newest_token_only=newest_only)
        old = client.token
        client.log_in()
        client.token = old
        assert client.ask("GET", "/team/111/webhooks").status == status


def test_statuses_of_success() -> None:
    """Token and create answers may say 201; the envelope repeats it."""
    client = asker(token_status=201, create_status=201)
    answer = client.log_in()
    assert (answer.status, read(answer)["response_status"]) == (201, 201)
    answer = client.create("111", classic())
    assert (answer.status, read(answer)["response_status"]) == (201, 201)


ACTIVE = {"active_team": {"id": 111, "organization_id": 70001}}
NESTED = [
    {"id": 70001, "name": "Organization 1", "teams": [{"id": 111}, {"id": 112}]},
    {"id": 70002, "name": "Organization 2", "teams": [{"id": 113}, {"id": 114}]},
]
HREF = "https://rest.doo.net/v1/organizers/current/organizations"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("active_only", ACTIVE),
        (
            "embedded",
            ACTIVE
            | {
                "_links": {
                    "self": {"href": f"{HREF}?page=1"},
                    "first": {"href": HREF},
                    "last": {"href": f"{HREF}?page=1"},
                },
                "_embedded": {"organizations": NESTED},
                "page_count": 1,
                "page_size": 2,
                "total_items": 2,
                "page": 1,
            },
        ),
        (
            "list",
            ACTIVE
            | {
                "organizations": [
                    {"id": 70001, "name": "Organization 1", "team_id": 111},
                    {"id": 70001, "name": "Organization 1", "team_id": 112},
                    {"id": 70002, "name": "Organization 2", "team_id": 113},
                    {"id": 70002, "name": "Organization 2", "team_id": 114},
                ]
            },
        ),
        (
            "data",
            ACTIVE
            | {
                "response_status": 200,
                "developer_message": "Success",
                "user_message": "Success",
                "data": {"organizations": NESTED},
            },
        ),
    ],
)
def test_shapes_of_organizations(shape: str, expected: Any) -> None:
    """The active team stands at the top level; what follows has the shape that was set."""
    client = asker(organizations=2, teams_per_organization=2, organizations_shape=shape)
    assert read(client.ask("GET", "/organizers/current/organizations")) == expected


def test_organizations_by_page_with_text_ids() -> None:
    """Organizations may come in pages, and ids as strings."""
    client = asker(organizations=3, organizations_page_size=2, ids="string")
    page = read(client.ask("GET", "/organizers/current/organizations?page=2"))
    assert page["active_team"] == {"id": "111", "organization_id": "70001"}
    assert page["_embedded"]["organizations"] == [
        {"id": "70003", "name": "Organization 3", "teams": [{"id": "113"}]}
    ]
    assert (page["page"], page["page_count"], page["total_items"]) == (2, 2, 3)


def test_create() -> None:
    """A create answers with the new id as a string under data, and the webhook is there as posted."""
    client = asker()
    posted = graphql()
    answer = client.create("112", posted)
    webhook_id = read(answer)["data"]
    assert answer.status == 200
    assert read(answer) == {
        "response_status": 200,
        "developer_message": "Success",
        "user_message": "Success",
        "data": webhook_id,
        "_links": {"self": {"href": "https://rest.doo.net/v1/team/112/webhooks"}},
    }
    assert client.box.live("112") == [posted | {"id": webhook_id}]
    assert client.box.live("111") == []


def test_twins() -> None:
    """The same content posted twice makes two webhooks."""
    client = asker()
    posted = classic()
    first, second = (read(client.create("111", posted))["data"] for _ in range(2))
    assert first != second
    assert client.ids("111") == [second, first]


def test_ids_are_version_1_uuids() -> None:
    """Ids carry the time of their creation and differ even within one instant."""
    client = asker(webhooks_per_team=3, epoch=datetime(2027, 5, 1, tzinfo=UTC).timestamp())
    client.now = 90.0
    ids = [uuid.UUID(read(client.create("111", classic()))["data"]) for _ in range(3)]
    assert {each.version for each in ids} == {1}
    assert {each.variant for each in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == 3
    seconds = ids[0].time / 1e7 - 12_219_292_800
    assert datetime.fromtimestamp(seconds, UTC) == datetime(2027, 5, 1, 0, 1, 30, tzinfo=UTC)
    assert all(uuid.UUID(webhook["id"]).time < ids[0].time for webhook in client.box.live("112"))


def test_ids_may_be_counters() -> None:
    """Ids may be short numbers that go on where the first webhooks' end."""
    client = asker(organizations=2, webhooks_per_team=lambda team: team + 1, webhook_ids="counter")
    assert [webhook["id"] for webhook in client.box.live("112")] == ["2", "3"]
    assert read(client.create("111", classic()))["data"] == "4"
    for webhook_id in ("3", "03", "x", "9" * 30):
        assert client.delete(webhook_id).status == 204
    assert [webhook["id"] for webhook in client.box.live("112")] == ["2"]


@pytest.mark.parametrize("status", [404, 403])
def test_unknown_team(status: int) -> None:
    """A team that does not exist, or that the key does not see, has no list and takes no webhook."""
    box = Box(plan=None, unknown_team_status=status)
    client = Asker(box, box.add_key(None, organizations=["70002"]))
    client.log_in()
    for team in ("111", "999", "70002"):
        assert client.ask("GET", f"/team/{team}/webhooks").status == status
        assert client.create(team, classic()).status == status
    assert client.ids("112") == []
    seen = read(client.ask("GET", "/organizers/current/organizations"))
    assert seen["active_team"] == {"id": 112, "organization_id": 70002}
    assert [each["id"] for each in seen["_embedded"]["organizations"]] == [70002]


def test_delete_answers_the_same_whatever_happens() -> None:
    """A delete says 204 without a body whether the webhook was there, was somebody else's, or never existed."""
    box = Box(plan=None, webhooks_per_team=1)
    client = Asker(box, box.add_key(None, organizations=["70002"]))
    own, foreign = box.live("112")[0]["id"], box.live("111")[0]["id"]
    for webhook_id in (own, own, foreign, "none", "", "%2e%2e"):
        answer = client.delete(webhook_id)
        assert (answer.status, answer.body) == (204, b"")
    assert box.live("112") == []
    assert [webhook["id"] for webhook in box.live("111")] == [foreign]
    assert [change.webhook_id for change in box.log.changes] == [own]


@pytest.mark.parametrize(("needed", "status", "left"), [(False, 204, 0), (True, 401, 1)])
def test_delete_with_the_key_alone(status: int, left: int, *, needed: bool) -> None:
    """A delete needs no token, not even a good one if it carries one, unless set otherwise."""
    for token in (None, "0" * 40):
        client = Asker(Box(plan=None, webhooks_per_team=1, delete_needs_bearer=needed))
        client.token = token
        assert client.delete(client.box.live("111")[0]["id"]).status == status
        assert len(client.box.live("111")) == left


def test_initialize() -> None:
    """An initialization answers how many items it found, at the top level."""
    client = asker(existing_items=7)
    answer = client.ask("POST", "/webhooks/init/events", {"organization_id": 70001})
    assert answer.status == 200
    assert read(answer) == {
        "response_status": 200,
        "developer_message": "Success",
        "user_message": "Success",
        "items_processed": 7,
        "_links": {"self": {"href": "https://rest.doo.net/v1/webhooks/init/events"}},
    }
    assert client.box.log.requests[-1].acted
    assert client.ask("POST", "/webhooks/init/nothing", {"organization_id": 70001}).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/1"),
        ("PUT", "/webhooks/1"),
        ("DELETE", "/team/111/webhooks"),
        ("GET", "/oauth"),
        ("GET", ""),
        ("GET", "/team/111/webhooks/"),
    ],
)
def test_unknown_path(method: str, path: str) -> None:
    """What doo has no such path for is turned away by the gateway."""
    answer = asker().ask(method, path)
    assert (answer.status, read(answer)) == (403, {"message": "Missing Authentication Token"})
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_unknown_key(key: str | None) -> None:
    """Without a good API key the gateway forbids everything."""
    answer = asker().ask("DELETE", "/webhooks/1", headers={"X-Api-Key": key})
    assert (answer.status, read(answer)) == (403, {"message": "Forbidden"})
    assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_every_answer_is_signed() -> None:
    """Every answer carries a request id of its own and the date of the box's clock."""
    client = asker(epoch=1_800_000_000.0)
    client.now = 60.0
    answers = [
        client.delete("1"),
        client.ask("GET", "/x"),
        client.ask("GET", "/team/111/webhooks"),
        client.log_in(),
    ]
    assert len({answer.headers["x-amzn-RequestId"] for answer in answers}) == 4
    assert {parsedate_to_datetime(answer.headers["Date"]).timestamp() for answer in answers} == {
        1_800_000_060.0
    }


def test_latency() -> None:
    """An answer is a round trip on its way, fixed or drawn; half of one that the request has already spent half of."""
    client = asker(latency=0.5)
    assert client.ask("GET", "/team/111/webhooks").delay == 0.5
    client = asker(latency=lambda chance: chance.uniform(1, 2))
    drawn = [client.ask("GET", "/team/111/webhooks").delay for _ in range(5)]
    assert all(1 <= delay <= 2 for delay in drawn)
    assert len(set(drawn)) == 5
    trip = client.box.round_trip()
    assert client.box.handle(Request("GET", "/"), 0.0, round_trip=trip).delay == trip / 2


def test_time_does_not_go_back() -> None:
    """The box refuses a request from the past."""
    client = asker()
    client.now = 5.0
    client.ask("GET", "/x")
    client.now = 4.0
    with pytest.raises(ValueError, match="cannot go back"):
        client.ask("GET", "/x")


def test_equal_boxes_answer_alike() -> None:
    """Two boxes with one seed and one entropy answer equal requests byte for byte alike."""

    def play() -> list[tuple[int, dict[str, str], bytes, float]]:
        client = asker(entropy=ENTROPY, seed=5, webhooks_per_team=3, latency=lambda chance: chance.random())
        answers = [
            client.create("111", classic(client_secret=SECRET)),
            client.ask("GET", "/team/111/webhooks"),
        ]
        return [(answer.status, answer.headers, answer.body, answer.delay) for answer in answers]

    assert play() == play()


def test_entropy_makes_every_secret() -> None:
    """Boxes differ in everything secret, even with one seed."""
    boxes = [Box(webhooks_per_team=1) for _ in range(2)]
    known = [
        {box.api_key, box.client_secret, box.live("111")[0]["authentication"]["credentials"]["client_secret"]}
        for box in boxes
    ]
    assert len(set.union(*known)) == 6
    assert [webhook["id"] for webhook in boxes[0].live("111")] == [
        webhook["id"] for webhook in boxes[1].live("111")
    ]


def test_credentials_may_be_given() -> None:
    """A box takes the credentials it is given, and shows no secret of theirs when printed."""
    own = Credentials(api_key=secrets.token_hex(), client_id="me", client_secret=secrets.token_hex())
    client = Asker(Box(plan=None, credentials=own))
    assert client.log_in().status == 200
    assert own.api_key not in repr(client.box.credentials)
    assert own.client_secret not in repr(client.box.credentials)
