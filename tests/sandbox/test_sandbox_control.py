"""What another process may arrange and ask: on a port of its own, with a token of its own, off unless wanted."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest

from aiodoo.sandbox import Sandbox, classic, serve

TOKEN = "for tests"


def tell(sandbox: Sandbox, message: Any, token: str | None = None, **options: Any) -> Any:
    """Send a message as another process would."""
    request = urllib.request.Request(  # noqa: S310  # http
        sandbox.control_url,
        data=message if isinstance(message, bytes) else json.dumps(message).encode(),
        headers={"Authorization": f"Bearer {sandbox.control_token if token is None else token}"},
        **options,
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # http
        return json.load(answer)["result"]


def refused(sandbox: Sandbox, message: Any, token: str | None = None) -> tuple[int, str]:
    """Send a message that is not obeyed; return status and reason."""
    with pytest.raises(urllib.error.HTTPError) as error:
        tell(sandbox, message, token)
    with error.value as answer:
        return answer.code, json.load(answer)["error"]


def list_team(sandbox: Sandbox, team: str = "111") -> Any:
    """List a team as a client does."""
    own = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    headers = {"x-api-key": sandbox.api_key, "Content-Type": "application/json"}
    asked = urllib.request.Request(  # noqa: S310  # http
        f"{sandbox.url}/oauth", json.dumps(own | {"grant_type": "client_credentials"}).encode(), headers
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  # http
        token = json.load(answer)["data"]["access_token"]
    asked = urllib.request.Request(  # noqa: S310  # http
        f"{sandbox.url}/team/{team}/webhooks", headers=headers | {"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  # http
        return json.load(answer)["_embedded"]["webhooks"]


def test_off_by_default() -> None:
    """Without being asked for it, a sandbox listens on one port only, and has no token."""
    with serve(plan=None) as sandbox:
        assert (sandbox.control_url, sandbox.control_token) == ("", "")
        assert len(sandbox._listeners) == 1


def test_the_token_is_needed() -> None:
    """Who does not know the token is refused; a sandbox makes one unless it is given one, and its repr has none."""
    with serve(plan=None, control=True) as sandbox:
        assert refused(sandbox, {"do": "teams"}, token="") == (401, "the control token is missing or wrong")
        assert refused(sandbox, {"do": "teams"}, token=TOKEN)[0] == 401
        assert len(sandbox.control_token) == 32
        assert sandbox.control_token not in repr(sandbox)
    with serve(plan=None, control=TOKEN) as sandbox:
        assert tell(sandbox, {"do": "teams"}, token=TOKEN) == sandbox.teams


def test_it_is_not_below_the_api() -> None:
    """The API's port knows nothing of it."""
    with serve(plan=None, control=TOKEN) as sandbox:
        asked = urllib.request.Request(  # noqa: S310  # http
            sandbox.url.removesuffix("/v1"), b'{"do": "teams"}', {"Authorization": f"Bearer {TOKEN}"}
        )
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(asked)  # noqa: S310  # http
        assert error.value.code == 403
        error.value.close()


def test_faults_are_scripted() -> None:
    """Faults have the members that they have in Python; bytes are written as text, several operations as a list."""
    with serve(plan=None, webhooks_per_team=1, control=TOKEN) as sandbox:
        fault = {
            "kind": "error_not_acted",
            "on": ["list", "create"],
            "status": 503,
            "body": "{}",
            "team": "112",
        }
        assert tell(sandbox, {"do": "script", "faults": [fault]}) is None
        assert len(list_team(sandbox)) == 1
        with pytest.raises(urllib.error.HTTPError) as error:
            list_team(sandbox, "112")
        with error.value as answer:
            assert (answer.code, answer.read()) == (503, b"{}")


def test_somebody_else_changes_things() -> None:
    """Webhooks are created, edited, replaced and deleted by somebody else, and asked for."""
    with serve(plan=None, control=TOKEN) as sandbox:
        first = tell(sandbox, {"do": "foreign_create", "team": "111", "content": classic("first")})
        tell(sandbox, {"do": "foreign_edit", "webhook_id": first, "content": classic("edited")})
        assert [webhook["name"] for webhook in tell(sandbox, {"do": "live", "team": "111"})] == ["edited"]
        second = tell(sandbox, {"do": "foreign_replace", "webhook_id": first, "content": classic("second")})
        tell(sandbox, {"do": "foreign_delete", "webhook_id": second})
        told = [(change["what"], change["by"]) for change in tell(sandbox, {"do": "changes"})]
        assert told == [(what, "actor") for what in ("created", "edited", "created", "deleted", "deleted")]


def test_moments() -> None:
    """A message may wait for its moment."""
    with serve(plan=None, webhooks_per_team=1, control=TOKEN) as sandbox:
        [webhook] = sandbox.live("111")
        then = {"do": "foreign_delete", "webhook_id": webhook["id"]}
        tell(sandbox, {"do": "after", "operation": "list", "nth": 2, "team": "111", "then": then})
        assert [len(list_team(sandbox)) for _ in range(3)] == [1, 1, 0]
        assert [request["kind"] for request in tell(sandbox, {"do": "requests"})] == ["token", "list"] * 3
        assert tell(sandbox, {"do": "count", "kind": "list"}) == 3


def test_an_outage_does_not_lock_it_out() -> None:
    """While the API's port refuses, this one still hears; so an outage can be ended from outside."""
    with serve(plan=None, control=TOKEN) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1].split("/")[0])
        tell(sandbox, {"do": "refuse_connections"})
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        tell(sandbox, {"do": "accept_connections"})
        socket.create_connection(("127.0.0.1", port)).close()
        tell(sandbox, {"do": "reset"})
        assert tell(sandbox, {"do": "count"}) == 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"nothing", "not JSON"),
        (["teams"], 'a message is a JSON object with "do"'),
        ({"do": "explode"}, "explode cannot be done; what can: accept_connections, "),
        ({"do": "__init__"}, "__init__ cannot be done"),
        ({"do": "live"}, "missing 1 required positional argument: 'team'"),
        ({"do": "live", "team": "1"}, "there is no 1"),
        ({"do": "foreign_delete", "webhook_id": "1"}, "there is no webhook 1"),
        ({"do": "script"}, "there is no faults"),
        ({"do": "fire", "hook_type": 5, "item": {"id": 1}}, "5 is no hook type"),
        ({"do": "script", "faults": [5]}, "script: "),
        ({"do": "script", "faults": [{"kind": "late", "explode": 1}]}, "no member explode"),
        ({"do": "script", "faults": [{"kind": "explode"}]}, "explode"),
        ({"do": "before", "operation": "list", "then": {"do": "explode"}}, '"then" is a message, too'),
    ],
)
def test_what_cannot_be_done_is_said(message: Any, reason: str) -> None:
    """A message that makes no sense is refused with the reason, and does nothing."""
    with serve(plan=None, control=TOKEN) as sandbox:
        status, told = refused(sandbox, message)
        assert status == 400
        assert reason in told
        assert sandbox.box.faults_left == []
