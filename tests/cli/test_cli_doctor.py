"""`aiodoo doctor`: what it finds where all is well, and what it says where something is not; and shell completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_home import Home, profile

from aiodoo.sandbox import Fault, Sandbox, serve


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Serve a sandbox for all tests of this file."""
    with serve(organizations=2, webhooks_per_team=30, plan=None, secrets="masked") as sandbox:
        yield sandbox


def findings(text: str) -> dict[str, tuple[str, str, str]]:
    """Return what was found, by subject."""
    return {
        line["subject"]: (line["verdict"], line["found"], line["advice"])
        for line in map(json.loads, text.splitlines())
    }


def test_all_is_well(home: Home, box: Sandbox) -> None:
    """Everything is looked at by reading alone, and the facts are those of the box; the report holds no secrets."""
    report = home.folder / "report.json"
    told = home.run("doctor", "-o", "jsonl", "--report", str(report))
    assert told.returncode == 0
    found = findings(told.stdout)
    in_order = {subject for subject, (verdict, *_) in found.items() if verdict == "ok"}
    assert {"configuration", "DNS", "credentials", "clock", "right", "quota"} <= in_order
    assert {verdict for verdict, *_ in found.values()} == {"ok", "look", "fact"}
    assert found["organizations"][2].startswith("`list_all` finds 2 teams in 2 organizations")
    assert found["page size"][1] == "25 in the answer, 25 on the first of 2 pages"
    assert found["list order"][1] == "newest first"
    assert found["webhook ids"][1] == "are UUIDs of version 1"
    assert found["listed secrets"][1] == "are masked or missing"
    assert found["links"][1] == "lead to api.doo.net, rest.doo.net"
    assert found["rate headers"][1] == "x-amzn-requestid"
    assert {request.kind for request in box.log.requests} == {"token", "organizations", "list"}
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert len(json.loads(text)["findings"]) == len(found)
    assert not any(
        secret in text for secret in (box.api_key, box.client_id, box.client_secret, "Webhook 1 of")
    )


@pytest.mark.parametrize(
    ("wrong", "subject", "advice"),
    [
        ("api_key", "API key", "ask doo's support for it"),
        ("client_secret", "credentials", "make new ones in doo's Manager App"),
        ("host", "DNS", "check base_url"),
        ("port", "TCP", "check the network"),
        ("file", "configuration", "correct what is named here"),
        ("path", "base URL", "correct base_url"),
        ("ledger", "ledger", "start the server again"),
    ],
)
def test_what_is_wrong(home: Home, box: Sandbox, wrong: str, subject: str, advice: str) -> None:
    """What is not in order is named with what to do about it, and the exit code is 1."""
    text = profile("acme", box)
    if wrong in {"api_key", "client_secret"}:
        text = text.replace(getattr(box, wrong), "0" * 40)
    elif wrong == "host":
        text = text.replace(box.url, "https://nobody.invalid/v1")
    elif wrong == "port":
        with socket.create_server(("127.0.0.1", 0)) as server:
            text = text.replace(box.url, f"http://127.0.0.1:{server.getsockname()[1]}/v1")
    elif wrong == "path":
        text = text.replace(box.url, box.url.removesuffix("/v1"))
    home.write(text, mode=0o644 if wrong == "file" else 0o600)
    environ = {"AIODOO_LEDGER": "redis://127.0.0.1:1/0"} if wrong == "ledger" else {}
    told = home.run("doctor", "-o", "jsonl", **environ)
    verdict, _, told_advice = findings(told.stdout)[subject]
    assert (told.returncode, verdict) == (1, "wrong")
    assert told_advice.startswith(advice)


def test_a_spent_day_is_free_again_on_a_day(home: Home, box: Sandbox) -> None:
    """The time has its date, as that of the day is over for today."""
    home.write(profile("acme", box, "limits = { per_second = 200, per_day = 2 }\n"))
    while home.run("webhooks", "list", "--team", box.teams[0]).returncode != 3:
        pass
    _, _, advice = findings(home.run("doctor", "-o", "jsonl").stdout)["quota"]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    shown = datetime.strptime(advice, "free again at %Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert abs(tomorrow - shown) < timedelta(minutes=10)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(home: Home, shell: str) -> None:
    """Each shell gets a script that names the commands, and that it can read."""
    told = home.run("completion", shell)
    assert told.returncode == 0
    assert "move-host" in told.stdout
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=told.stdout, text=True, check=True)  # noqa: S603  # reads, runs nothing


def test_zsh_finds_its_function(home: Home) -> None:
    """Zsh calls a function that is called as its file; the help names that file."""
    (name,) = re.findall(r"^(\w+)\(\) \{", home.run("completion", "zsh").stdout, re.MULTILINE)
    assert name in home.run("completion", "--help").stdout


BASH = """
source <(aiodoo completion bash)
complete -p aiodoo
for line in "$@"; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    COMPREPLY=()
    _aiodoo
    echo "${COMPREPLY[*]}"
done
"""


def test_bash_completes(home: Home) -> None:
    """A bash that has loaded the script completes commands, options and their values, also after common options."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    asked = {
        "aiodoo mov": "move-host",
        "aiodoo runs ": "list show abandon verify delete resume undo",
        "aiodoo --sandbox -o json webhooks sh": "show",
        "aiodoo webhooks list --endp": "--endpoint",
        "aiodoo whoami --all-": "--all-profiles",
        "aiodoo --output j": "json jsonl",
        "aiodoo completion f": "fish",
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(  # noqa: S603  # reads what our own program prints
        [bash, "--norc", "-c", BASH, "bash", *asked],
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, **home.environ, "PATH": path},
    )
    assert told.stderr == ""
    assert told.stdout.splitlines() == ["complete -F _aiodoo aiodoo", *asked.values()]


def test_without_a_file(home: Home, box: Sandbox) -> None:
    """Credentials of the environment are named as such; teams come from the profile where doo names them not."""
    environ = {
        "DOO_BASE_URL": box.url,
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
    }
    home.config.unlink()
    found = findings(home.run("doctor", "-o", "jsonl", **environ).stdout)
    assert found["configuration"][1].startswith("credentials from the environment's DOO_API_KEY, ")
    home.write(profile("acme", box, 'teams = ["112"]\n'))
    found = findings(home.run("doctor", "-o", "jsonl").stdout)
    assert found["right"][1] == "the account may read the webhooks of team 112"
    assert found["configuration"][1].endswith("; 1 request a second, 1000 requests a day")


def test_refusals(home: Home, box: Sandbox) -> None:
    """Where doo refuses requests, it is told whether it said for how long."""
    assert findings(home.run("doctor", "-o", "jsonl").stdout)["Retry-After"][0] == "fact"
    box.script(Fault("too_many", on="list", headers={"Retry-After": "1"}))
    found = findings(home.run("doctor", "-o", "jsonl").stdout)
    assert found["Retry-After"][:2] == ("look", "in 1 of 1 refusals (429)")
    assert "set limits in the profile" in found["Retry-After"][2]
