"""The exit codes of the program: one table in the docs, each line of it a process that ends so."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home, profile
from cli_process import on_terminal, program, started

from aiodoo.sandbox import Fault, Sandbox, serve

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
MOVE = ("move-host", "crm.example", "crm2.example")
PARKS = "limits = { per_second = 200, per_day = 9 }\nfacts = { list_echoes_scope = true }\n"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox: two teams of two webhooks."""
    with serve(organizations=2, webhooks_per_team=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(home: Home) -> Home:
    """Have a file that declares what is not there, too."""
    (home.folder / "doo.yaml").write_text(
        "{aiodoo: 1, manage: {name_prefix: mine}, teams: ['111'], webhooks: [{name: mine, hooks: "
        "[{type: event_created, endpoint: 'https://a.example/'}]}]}"
    )
    return home


@pytest.mark.parametrize(
    ("code", "command", "limits"),
    [
        (0, ("webhooks", "list"), None),
        (0, ("plan", "doo.yaml"), None),
        (0, ("runs", "resume"), None),
        (0, ("move-host", "nowhere.example", "b.example", "--yes"), None),
        (1, ("webhooks", "show", "4711", "--team", "111"), None),
        (1, ("runs", "show", "4711"), None),
        (2, ("webhooks", "lst"), None),
        (2, MOVE, None),
        (2, ("webhooks", "create", "111", "--name", "a", "--hook", "order_creatd=https://a.example"), None),
        (3, (*MOVE, "--yes"), PARKS),
        (4, ("plan", "doo.yaml", "--exit-code"), None),
    ],
)
def test_each_exit_code(
    home: Home, box: Sandbox, code: int, command: tuple[str, ...], limits: str | None
) -> None:
    """Done, failed, not agreed or misspelt, parked, and pending."""
    if limits is not None:
        home.write(profile("acme", box, limits))
    words = [str(home.folder / word) if word == "doo.yaml" else word for word in command]
    told = home.run(*words)
    assert told.returncode == code, told.stderr


def test_no_at_a_question_exits_with_2(home: Home) -> None:
    """Whoever does not agree has changed nothing, and a script can tell; `login` to a profile that is there, too."""
    for command in (MOVE, ("login", "acme")):
        code, shown = on_terminal(program(*command), answer=b"n\n", **home.environ)
        assert (code, b"nothing was changed" in shown) == (2, True), command


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(home: Home, box: Sandbox, number: int, code: int) -> None:
    """Stopped by a person, or by the system."""
    box.script(Fault("slow", on="list", seconds=60.0, times=None))
    with started(program("webhooks", "list"), environ=home.environ) as process:
        while not box.count("organizations"):
            assert process.poll() is None
        process.send_signal(number)
        process.communicate()
    assert process.returncode == code


def test_the_docs_and_the_help_list_the_same_codes(home: Home) -> None:
    """One table, and one line below the help."""
    table = DOCS.read_text().split("## Exit codes")[1].split("##")[0]
    documented = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    assert documented == ["0", "1", "2", "3", "4", "130, 143"]
    line = " ".join(home.run("--help").stdout.split()).split("Exit codes: ")[1]
    assert re.findall(r"\b\d+\b", line.split(".")[0]) == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "130",
        "143",
    ]
