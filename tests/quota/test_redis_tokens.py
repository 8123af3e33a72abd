"""Tokens on a server that hosts share: fetched once, replaced once, and never there in the clear; over real HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest
from redis_world import Valkey

from aiodoo import ConfigError, RedisTokens, Session
from aiodoo.client import redis_tokens
from aiodoo.quota import Limits
from aiodoo.sandbox import Sandbox
from aiodoo.secret import Secret

MASK = 0x5A
MARK = b"sealed:"


def encrypt(clear: bytes) -> bytes:
    """Encrypt so weakly as only a test may."""
    return MARK + bytes(byte ^ MASK for byte in clear)


def decrypt(sealed: bytes) -> bytes:
    """Undo that."""
    if not sealed.startswith(MARK):
        raise ValueError(sealed)
    return bytes(byte ^ MASK for byte in sealed.removeprefix(MARK))


def store(server: Valkey) -> RedisTokens:
    """Return the store as another process has it."""
    return RedisTokens(server.url, encrypt=encrypt, decrypt=decrypt)


def session(box: Sandbox, server: Valkey) -> Session:
    """Return the session of another process."""
    return box.session(token_store=store(server), limits=Limits.none())


async def test_processes_fetch_one_token_and_replace_it_once(server: Valkey) -> None:
    """Four that start at once fetch one token, and replace it once when doo has refused it; no key lives for ever."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        sessions = [session(box, server) for _ in range(4)]
        for doo in sessions:
            await doo.__aenter__()
        try:
            for expected in (1, 2):
                await asyncio.gather(*(doo.webhooks.list("111").collect() for doo in sessions))
                assert box.count("token") == expected
                box.revoke_tokens()
        finally:
            for doo in sessions:
                await doo.__aexit__(None, None, None)
    (key,) = server.keys()
    assert key.startswith("aiodoo:{")
    assert int(server.say("TTL", key)[1:]) > 0


async def test_the_server_gets_no_token(server: Valkey, secret: Callable[[], str]) -> None:
    """What it stores is what `encrypt` has returned, and a newer token is not discarded for an older one."""
    one, other, token = store(server), store(server), Secret(secret())
    assert await one.load("a") is None
    await one.save("a", token)
    (key,) = server.keys()
    assert token.reveal().encode() not in server.say("GET", key)
    assert await other.load("a") == token
    newer = Secret(secret())
    await other.save("a", newer)
    await one.discard("a", token)
    assert await one.load("a") == newer
    await one.discard("a", newer)
    assert await one.load("a") is None


async def test_who_should_have_fetched_is_not_waited_for_for_ever(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill of the one that fetches, another one does."""
    monkeypatch.setattr(redis_tokens, "FETCHING", 0.3)
    assert await store(server).load("a") is None
    waiting = asyncio.create_task(store(server).load("a"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await waiting is None


async def test_a_session_does_without_the_server(
    server: Valkey,
    caplog: pytest.LogCaptureFixture,
    secret: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fetches a token itself when the server refuses it, or a token cannot be decrypted; nothing secret is logged."""
    monkeypatch.setattr(redis_tokens, "AWAY", 0.1)
    caplog.set_level(logging.DEBUG)
    word = quote(secret(), safe="")
    refusing = RedisTokens(
        f"redis://someone:{word}@127.0.0.1:{server.port}/0", encrypt=encrypt, decrypt=decrypt
    )
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        for kept in (refusing, RedisTokens(server.url, encrypt=bytes, decrypt=decrypt)):
            for count in (1, 2):
                async with box.session(token_store=kept, limits=Limits.none()) as doo:
                    assert await doo.webhooks.list("111").collect()
                assert box.count("token") == (count if kept is refusing else 2 + count)
    assert "the token store failed with" in caplog.text
    assert word not in f"{caplog.text} {refusing!r}"


@pytest.mark.parametrize("wrong", [{"encrypt": None}, {"decrypt": "rot13"}])
def test_what_is_no_function(wrong: dict[str, Callable[[bytes], bytes]]) -> None:
    """It is refused at once."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RedisTokens("redis://h", **{"encrypt": encrypt, "decrypt": decrypt, **wrong})


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://h", "the URL of the token store must be"),
        ("redis://h?much=1", "the URL that RedisTokens was"),
    ],
)
def test_a_wrong_url_is_that_of_the_tokens(url: str, says: str) -> None:
    """The error for it names the token store, and not the ledger of the same server."""
    with pytest.raises(ConfigError, match=says):
        RedisTokens(url, encrypt=encrypt, decrypt=decrypt)
