"""`aiodoo sandbox`: what it prints, that it answers, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cli_process import is_gone, is_listening, program, run, run_code, started

LIMITS = ("DOO_PER_SECOND", "DOO_PER_DAY")
VARIABLES = ("DOO_BASE_URL", "DOO_API_KEY", "DOO_CLIENT_ID", "DOO_CLIENT_SECRET", *LIMITS)

FROM_ENV = """
import asyncio, aiodoo
async def main():
    async with aiodoo.Session.from_env() as doo:
        print((await doo.organizations.active_team()).id, doo.limits.per_second, doo.limits.per_day)
asyncio.run(main())
"""


def read_exports(process: subprocess.Popen[str], many: int = len(VARIABLES)) -> dict[str, str]:
    """Return the variables that the program prints lines for, as soon as so many are there."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for line in process.stdout:
        if match := re.fullmatch(r"export (\w+)=(\S+)\n", line):
            found[match[1]] = match[2]
        if len(found) == many:
            break
    return found


def ask(
    exports: dict[str, str], path: str, content: object = None, token: str | None = None
) -> dict[str, object]:
    """Ask the box with the printed credentials."""
    headers = {"x-api-key": exports["DOO_API_KEY"], "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = None if content is None else json.dumps(content).encode()
    request = Request(exports["DOO_BASE_URL"] + path, data=body, headers=headers)  # noqa: S310  # http
    with urlopen(request) as answer:  # noqa: S310  # http
        return dict(json.load(answer))


def log_in(exports: dict[str, str]) -> str:
    """Fetch a token."""
    answer = ask(
        exports,
        "/oauth",
        {
            "client_id": exports["DOO_CLIENT_ID"],
            "client_secret": exports["DOO_CLIENT_SECRET"],
            "grant_type": "client_credentials",
        },
    )
    data = answer["data"]
    assert isinstance(data, dict)
    return str(data["access_token"])


def test_printed_credentials_are_good():
    """The printed lines lead to a box that gives a token for the printed credentials."""
    with started(program("sandbox")) as process:
        exports = read_exports(process)
        assert tuple(exports) == VARIABLES
        assert log_in(exports)


def test_printed_lines_are_for_from_env():
    """With the printed lines in its environment, a program's `Session.from_env()` talks to the box with its limits.

    The command line may use the same ledger at once, as it has the same limits.
    """
    with started(program("sandbox", "--per-second", "12.5", "--no-per-day")) as process:
        exports = read_exports(process)
        told = run_code([sys.executable, "-c", FROM_ENV], **exports)
        again = run_code(program("whoami", "-o", "jsonl"), **exports)
    assert (told.stdout, told.stderr) == ("111 12.5 None\n", "")
    assert (again.returncode, json.loads(again.stdout)["per_second"]) == (0, 12.5)


def test_options_shape_the_box():
    """The box has the organizations, the webhooks and the plan that were asked for."""
    with started(
        program("sandbox", "--organizations", "3", "--webhooks", "4", "--no-per-second", "--per-day", "3")
    ) as process:
        exports = read_exports(process)
        token = log_in(exports)
        organizations = ask(exports, "/organizers/current/organizations", token=token)["_embedded"]
        assert isinstance(organizations, dict)
        assert len(organizations["organizations"]) == 3
        assert ask(exports, "/team/111/webhooks", token=token)["total_items"] == 4
        with pytest.raises(HTTPError) as refused:
            ask(exports, "/team/111/webhooks", token=token)
    assert refused.value.code == 429
    assert b"Limit Exceeded" in refused.value.read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stops_on_signal(number, code):
    """Ctrl-C ends it with 130, SIGTERM with 143: without a traceback, the port closed, no process left."""
    with started(program("sandbox")) as process:
        url = read_exports(process)["DOO_BASE_URL"]
        assert is_listening(url)
        process.send_signal(number)
        _, told = process.communicate()
    assert process.returncode == code
    assert told.splitlines()[-1] == "aiodoo: stopped."
    assert "Traceback" not in told
    assert is_gone(process)
    assert not is_listening(url)


def test_stops_with_a_connection_open():
    """A client that keeps its connection open does not keep the program from ending."""
    with started(program("sandbox")) as process:
        url = read_exports(process)["DOO_BASE_URL"]
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))):
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 130


def test_data_on_standard_output():
    """Standard output holds the data, standard error the word for the person, neither an escape code."""
    with started(program("sandbox")) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        data, _ = process.communicate()
    assert "\x1b" not in data + line
    shown = dict(re.findall(r"^(URL|API key|Client id|Client secret) +(\S+)$", data, re.MULTILINE))
    exported = re.findall(r"^export \w+=(\S+)$", data, re.MULTILINE)
    assert [*shown.values(), "1", "1000"] == exported
    assert len(shown) == 4


def test_port_in_use():
    """A port that somebody else listens on is told in one line, and the exit code is 1."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = run("sandbox", "--port", str(port))
    assert (told.returncode, told.stdout) == (1, "")
    assert len(told.stderr.splitlines()) == 1
    assert str(port) in told.stderr


def test_another_process_scripts_faults():
    """With --control it prints where, and with which token, another process can arrange things."""
    with started(program("sandbox", "--control", "--organizations", "2")) as process:
        exports = read_exports(process, len(VARIABLES) + 2)
        asked = Request(  # noqa: S310  # http
            exports["DOO_SANDBOX_CONTROL_URL"],
            b'{"do": "teams"}',
            {"Authorization": f"Bearer {exports['DOO_SANDBOX_CONTROL_TOKEN']}"},
        )
        with urlopen(asked) as answer:  # noqa: S310  # http
            assert json.load(answer) == {"result": ["111", "112"]}


def test_given_credentials_are_taken_and_not_printed(monkeypatch):
    """With --given-credentials those of the environment are good, and only the URL and the limits are printed."""
    own = {name: f"{name} for tests" for name in VARIABLES[1:4]}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    with started(program("sandbox", "--given-credentials")) as process:
        exports = read_exports(process, 3)
        assert set(exports) == {"DOO_BASE_URL", *LIMITS}
        assert log_in(exports | own)
        process.send_signal(signal.SIGINT)
        data, _ = process.communicate()
    assert not any(value in data for value in own.values())


def test_given_credentials_have_to_be_there(monkeypatch):
    """Without them in the environment nothing is started, and the missing one is named."""
    for name in VARIABLES[1:3]:
        monkeypatch.setenv(name, "for tests")
    told = run("sandbox", "--given-credentials")
    assert (told.returncode, told.stdout) == (2, "")
    assert "needs DOO_CLIENT_SECRET in the environment" in told.stderr
    assert len(told.stderr.splitlines()) == 1
