"""doo's token requests: who gets a token, and that every refusal is the same."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from serving import asked, served

import aiodoo
from aiodoo.clock import Clock
from aiodoo.receiver import Delivery, MemoryStorage, Receiver, SQLiteStorage

FORM = [("content-type", "application/x-www-form-urlencoded")]


class Hand(Clock):
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time


def form(**fields: str) -> bytes:
    """Return the body of a token request."""
    whole = {"client_id": "doo", "client_secret": "right", "grant_type": "client_credentials", **fields}
    return urlencode(whole).encode()


def receiver(**options: object) -> Receiver:
    """Return a receiver with one handler that does nothing."""
    made = Receiver(**{"client_secrets": "right", **options})

    @made.on("event_created")
    async def handle(delivery: Delivery) -> None:
        """Take it."""

    return made


async def test_valid_credentials_get_a_token_that_admits_a_delivery(secret: Callable[[], str]) -> None:
    """Doo asks for a token by a form, and sends it with the delivery; without one, or with another, it is refused."""
    word = secret()
    async with served(receiver(client_secrets=word)) as doo:
        answer = await doo.token(word)
        assert answer.status == 200
        document = await answer.json()
        assert document["token_type"] == "Bearer"
        assert document["expires_in"] == 3600
        assert set(document) == {"access_token", "token_type", "expires_in", "message", "description"}
        assert answer.headers["Cache-Control"] == "no-store"
        delivered = await doo.deliver("/event_created", {"id": 1}, document["access_token"])
        assert (delivered.status, (await delivered.json())["message"]) == (200, "OK")
        assert (await doo.deliver("/event_created", {"id": 1}, "x" + document["access_token"])).status == 401
        assert (await doo.deliver("/event_created", {"id": 1})).status == 401


async def test_several_secrets_are_valid_while_one_replaces_another() -> None:
    """Both get tokens; new subscriptions are made with the first."""
    both = receiver(client_secrets=["new", aiodoo.Secret("old")])
    for each, status in (("new", 200), ("old", 200), ("older", 401)):
        assert (await asked(both, "/token", form(client_secret=each), headers=FORM)).status == status
    login = both.authentication("https://app.example/doo")
    assert login is not None
    assert login.credentials.client_secret.reveal() == "new"


MALFORMED = {
    "wrong secret": form(client_secret="wrong"),
    "empty secret": form(client_secret=""),
    "secret with more behind it": form(client_secret="right "),
    "wrong id": form(client_id="dooo"),
    "other grant": form(grant_type="password"),
    "no secret": b"client_id=doo&grant_type=client_credentials",
    "no grant": b"client_id=doo&client_secret=right",
    "nothing": b"",
    "secret twice": form() + b"&client_secret=right",
    "id twice": b"client_id=doo&" + form(),
    "JSON": b'{"client_id":"doo","client_secret":"right","grant_type":"client_credentials"}',
    "no pairs": b"right",
    "not UTF-8": form(client_id="doo") + b"&x=%ff",
    "raw bytes": b"\xff\xfe\x00",
    "not ASCII": "client_secret=schlüssel".encode(),
    "NUL": form(client_secret="right\0"),
    "many fields": form() + b"".join(b"&f%d=1" % n for n in range(100)),
    "semicolons": form().replace(b"&", b";"),
}


async def test_every_refusal_of_a_token_request_has_the_same_bytes() -> None:
    """The answer does not tell what was wrong, whatever it was."""
    one = receiver()
    answers = {name: await asked(one, "/token", body, headers=FORM) for name, body in MALFORMED.items()}
    assert {name for name, answer in answers.items() if answer.status != 401} == set()
    assert len({(answer.body, tuple(answer.headers.items())) for answer in answers.values()}) == 1
    assert (await asked(one, "/token", form(), headers=FORM)).status == 200


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_token_expires(kind: str, tmp_path: Path) -> None:
    """After its lifetime it is refused as any other, and doo asks for a new one."""
    clock = Hand()
    storage = MemoryStorage() if kind == "memory" else SQLiteStorage(tmp_path / "receiver")
    one = receiver(clock=clock, storage=storage, token_lifetime=60)
    async with one.working():
        token = json.loads((await asked(one, "/token", form(), headers=FORM)).body)["access_token"]
        bearer = [("Authorization", f"Bearer {token}")]
        clock.time += timedelta(seconds=59)
        assert (await asked(one, "/event_created", headers=bearer)).status == 200
        clock.time += timedelta(seconds=2)
        assert (await asked(one, "/event_created", headers=bearer)).status == 401


async def test_a_token_of_one_process_is_valid_in_another_that_shares_the_storage(tmp_path: Path) -> None:
    """Doo may ask one worker for the token and deliver to another."""
    first = receiver(storage=SQLiteStorage(tmp_path / "receiver"))
    second = receiver(storage=SQLiteStorage(tmp_path / "receiver"))
    async with first.working(), second.working():
        token = json.loads((await asked(first, "/token", form(), headers=FORM)).body)["access_token"]
        bearer = [("Authorization", f"Bearer {token}")]
        assert (await asked(second, "/event_created", headers=bearer)).status == 200


async def test_the_storage_holds_no_token(tmp_path: Path) -> None:
    """It holds digests, and only its owner can read it."""
    path = tmp_path / "receiver"
    one = receiver(storage=SQLiteStorage(path))
    async with one.working():
        token = json.loads((await asked(one, "/token", form(), headers=FORM)).body)["access_token"]
        written = b"".join(each.read_bytes() for each in tmp_path.iterdir())  # noqa: ASYNC240  # two small files
        assert token.encode() not in written
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_oldest_token_is_dropped_above_the_limit() -> None:
    """Memory does not grow with the token requests."""
    one = receiver(storage=MemoryStorage(limit=2))
    tokens = [
        json.loads((await asked(one, "/token", form(), headers=FORM)).body)["access_token"] for _ in range(3)
    ]
    statuses = [
        (await asked(one, "/event_created", headers=[("Authorization", f"Bearer {each}")])).status
        for each in tokens
    ]
    assert statuses == [401, 200, 200]


def test_no_secret_is_compared_by_the_equals_sign() -> None:
    """In the module that sees credentials and tokens, only words of the protocol are compared with `==`."""
    tree = ast.parse(Path(aiodoo.receiver.tokens.__file__).read_text())
    compared = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
    }
    assert compared == {
        "len(fields) != len(pairs)",
        "fields.get('grant_type') != 'client_credentials'",
        "header_value_format.count(ACCESS_TOKEN) != 1",
        "len(values) != 1",
    }
