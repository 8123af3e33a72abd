"""What a transport takes: a proxy with credentials of any kind, and a context that does not verify, with a warning."""

from __future__ import annotations

import base64
import ssl
import warnings

import pytest
from raw_server import raw_server, writes
from test_transport import CREATE, failure

from aiodoo import ConfigError, Session, UnverifiedConnection
from aiodoo.client.transport import HttpTransport

KEYS = {"api_key": "key", "client_id": "id", "client_secret": "secret"}


class Safe(str):
    """A text of another class."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("user:p%40ss%23", b"user:p@ss#"),
        ("user:%E2%82%AC", "user:\u20ac".encode()),
        ("%E2%82%AC:p", "\u20ac:p".encode()),
        ("user:p%C3%A4ss", "user:p\u00e4ss".encode("latin1")),
        ("user", b"user:"),
    ],
)
async def test_a_proxys_credentials_are_sent_whatever_is_in_them(written: str, sent: bytes) -> None:
    """In Latin-1, as ever, and in UTF-8 what that cannot say; nothing is tried in vain."""
    async with raw_server(writes(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        await failure(
            "https://127.0.0.1:9/v1", CREATE, proxy=Safe(f"http://{written}@127.0.0.1:{proxy.port}")
        )
    [line] = [
        line for line in proxy.received.split(b"\r\n") if line.lower().startswith(b"proxy-authorization")
    ]
    assert base64.b64decode(line.split()[-1]) == sent


def test_a_proxys_user_name_with_a_colon_is_refused() -> None:
    """HTTP cannot say it; the error comes at once, and shows neither name nor password."""
    with pytest.raises(ConfigError, match="must not hold a colon") as caught:
        HttpTransport("https://rest.doo.net/v1", proxy="http://us%3Aer:hush@proxy.example:8080")
    assert "hush" not in str(caught.value)
    assert "proxy=" in caught.value.__notes__[0]


@pytest.mark.parametrize("verifies", ["nothing", "any host", "all"])
def test_a_context_that_does_not_verify_is_warned_of_once(verifies: str) -> None:
    """At the line that has made the session; one that verifies is taken silently."""
    context = ssl.create_default_context()
    context.check_hostname = verifies == "all"
    if verifies == "nothing":
        context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Session(**KEYS, ssl=context)
    if verifies == "all":
        assert caught == []
        return
    [warning] = caught
    assert warning.category is UnverifiedConnection
    assert warning.filename == __file__
    assert "create_default_context(cafile=...)" in str(warning.message)
