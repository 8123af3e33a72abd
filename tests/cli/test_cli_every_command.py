"""Every command as its user meets it: piped into another program, and on a terminal, in colour and without."""

from __future__ import annotations

import json
import os
import pty
import re
import uuid
from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile
from cli_process import HIDE_CURSOR, installed, on_terminal, program, read_piece, screen_lines, started
from cli_records import records_of
from ruamel.yaml import YAML

from aiodoo.cli.records.printed import PRINTED
from aiodoo.sandbox import Sandbox, serve

DECLARED = """\
aiodoo: 1
manage: {name_prefix: mine}
teams: ["111", "112"]
webhooks:
- name: mine
  hooks:
  - {type: event_created, endpoint: "https://crm.example/${team.id}"}
"""
ONE = ("--name", "n", "--hook", "event_created=https://crm.example/a")
IN_A_BOX = [
    ("whoami", 0),
    ("quota", 0),
    ("organizations list", 0),
    ("webhooks list", 0),
    ("webhooks show 1", 0),
    (f"webhooks create 111 {' '.join(ONE)}", 0),
    ("webhooks update 3 --team 112 --description another", 0),
    ("webhooks delete 4 --team 112", 0),
    ("webhooks initialize events --organization 70001", 0),
    ("export", 0),
    ("audit --fail-on never", 0),
    ("validate doo.yaml", 0),
    ("copy --team 111=112 --team 112=111", 0),
    ("move-host crm.example crm2.example", 0),
    ("rotate-secret env:SECRET", 0),
    ("plan doo.yaml", 0),
    ("plan doo.yaml --exit-code", 4),
    ("apply doo.yaml", 0),
    ("doctor", 0),
]
OF_RUNS = [("runs list", 0), ("runs show", 0), ("runs resume", 0), ("runs verify", 0), ("runs undo", 0)]
OF_PROFILES = [("profiles list", 0), ("profiles show", 0)]

COLOUR = re.compile(rb"\x1b\[(?:[0-9]+;)*(?:3[0-7]|9[0-7]|38;[0-9;]+)m")


@pytest.fixture
def home() -> Iterator[Home]:
    """Have a home of our own."""
    with new_home() as home:
        (home.folder / "doo.yaml").write_text(DECLARED)
        yield home


def words_of(command: str, home: Home) -> list[str]:
    """Return a command's words, its file in the home."""
    return [str(home.folder / word) if word == "doo.yaml" else word for word in command.split()]


def check_piped(home: Home, command: str, code: int, *more: str) -> None:
    """Run a command, as it is installed, for a program: its data alone on standard output, JSON lines on standard error."""
    told = home.run_installed(
        *words_of(command, home),
        "--yes",
        *more,
        "-o",
        "json",
        "--log-format",
        "json",
        SECRET=uuid.uuid4().hex,
    )
    assert told.returncode == code
    for line in told.stderr.splitlines():
        assert json.loads(line)["message"]
    records_of(name_of(command), told.stdout)


def name_of(command: str) -> str:
    """Return the name of a command, without its arguments."""
    words = command.split()
    return " ".join(words[:2] if " ".join(words[:2]) in PRINTED else words[:1])


def check_on_terminal(home: Home, command: str, code: int, *more: str, **environ: str) -> bytes:
    """Run a command for a person: nothing is wider than the terminal, whose content is returned."""
    given = {"SECRET": uuid.uuid4().hex, **home.environ, **environ}
    ended, shown = on_terminal(program(*words_of(command, home), "--yes", *more), **given)
    assert ended == code
    assert b"Traceback" not in shown
    lines = screen_lines(shown)
    assert "".join(lines)
    # A document is not broken, nor is a command that is to be copied.
    wide = [line for line in lines if len(line) > 80 and "aiodoo runs" not in line]
    assert command.startswith("export") or wide == []
    return shown


@pytest.mark.parametrize(("command", "code"), IN_A_BOX)
def test_piped(home: Home, command: str, code: int) -> None:
    """Standard output is data and nothing else; what is said is JSON lines on standard error, if that is asked for."""
    check_piped(home, command, code, "--sandbox")


@pytest.mark.parametrize(("command", "code"), IN_A_BOX)
def test_on_a_terminal(home: Home, command: str, code: int) -> None:
    """What is shown fits 80 columns, and ends with the same code."""
    check_on_terminal(home, command, code, "--sandbox")


@pytest.mark.parametrize("command", ["webhooks list", "move-host crm.example crm2.example"])
def test_a_terminal_sees_progress_and_a_pipe_gets_data(home: Home, command: str) -> None:
    """With standard output piped and a person at the terminal, bars go to the terminal, and only data through the pipe."""
    master, slave = pty.openpty()
    words = (*command.split(), "--sandbox", "--yes", "-o", "json")
    with started(program(*words), environ=home.environ, stdin=slave, stderr=slave) as process:
        os.close(slave)
        shown = b"".join(iter(lambda: read_piece(master), b""))
        data, _ = process.communicate()
    os.close(master)
    assert process.returncode == 0
    assert len(records_of(name_of(command), data)) in {6, 7}
    assert HIDE_CURSOR in shown
    assert "\x1b" not in data


@pytest.mark.parametrize(
    ("command", "code"), [("plan doo.yaml", 0), ("move-host crm.example crm2.example", 0)]
)
def test_colours(home: Home, command: str, code: int) -> None:
    """A terminal gets colours, unless NO_COLOR is set."""
    assert COLOUR.search(check_on_terminal(home, command, code, "--sandbox"))
    assert not COLOUR.search(check_on_terminal(home, command, code, "--sandbox", NO_COLOR="1"))


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(organizations=3, webhooks_per_team=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


def test_runs(home: Home, box: Sandbox) -> None:
    """The same of the commands about runs, which a sandbox for one call cannot have; they say so."""
    home.write(profile("acme", box))
    assert home.run("move-host", "crm.example", "crm2.example", "--yes").returncode == 0
    for command, code in OF_RUNS:
        if command != "runs undo":
            check_on_terminal(home, command, code)
        check_piped(home, command, code)
    for command, code in OF_PROFILES:
        check_piped(home, command, code)
    for command in ("resume", "verify", "undo"):
        told = home.run("runs", command, "--sandbox")
        assert (told.returncode, "aiodoo login" in told.stderr) == (2, True)


def test_exit_codes_on_a_terminal(home: Home, box: Sandbox) -> None:
    """1 failed, 2 wrong usage or an answer of no, 3 parked for quota are the same on a terminal; 4 and 130 have tests of their own."""
    with serve(organizations=1) as other:
        wrong = profile("broken", box).replace(box.client_secret, "0" * 40)
        spent = profile("spent", other, "limits = { per_second = 100, per_day = 1 }\n")
        home.write(profile("acme", box), wrong, spent)
        for code, words in (
            (1, "whoami -p broken"),
            (2, "whoami --sandbox --all-profiles"),
            (2, "move-host crm.example"),
            (3, "whoami -p spent"),
            (2, "move-host crm.example crm2.example -p acme"),
        ):
            ended, shown = on_terminal(installed(*words.split()), answer=b"n\n", **home.environ)
            assert (words, ended) == (words, code)
            assert b"Traceback" not in shown
    assert box.count("create") == 0


def test_a_terminal_that_lacks_characters(home: Home, box: Sandbox) -> None:
    """What an encoding has no characters for is spelled out; JSON and YAML stay what they are."""
    home.write(profile("acme", box))
    name = "Grüße 漢字 \N{GRINNING FACE}"
    box.add_webhook("111", {"name": name, "hooks": [{"type": "x", "endpoint": "https://a.example/"}]})
    ask = ("webhooks", "list", "--team", "111", "--name", "Gr*")
    environ = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    table = home.run(*ask, **environ)
    assert (table.returncode, table.stderr) == (0, "")
    assert "Gr\\xfc\\xdfe \\u6f22\\u5b57 \\U0001f600" in table.stdout
    assert json.loads(home.run(*ask, "-o", "json", **environ).stdout)[0]["name"] == name
    assert YAML(typ="safe").load(home.run(*ask, "-o", "yaml", **environ).stdout)[0]["name"] == name


@pytest.mark.parametrize("columns", [20, 33, 47, 80])
def test_what_is_said_is_broken_between_words(home: Home, box: Sandbox, columns: int) -> None:
    """On a terminal, however narrow, no word is broken, and no command that is to be copied."""
    home.write(profile("acme", box, 'limits = { per_second = 200, per_day = "none" }\n'))
    move = ("move-host", "crm.example", "crm2.example")
    said = home.run(*move, "--dry-run").stderr.replace("this was a dry run; nothing was changed.", "")
    environ = {**home.environ, "COLUMNS": str(columns)}
    ended, shown = on_terminal(program(*move), answer=b"n\n", **environ)
    assert ended == 2
    lines = screen_lines(shown)
    assert set(said.split()) <= set(" ".join(lines).split())
    assert columns >= 80 or max(map(len, lines)) < columns + 8
    _, shown = on_terminal(program("runs", "resume", "2020"), **environ)
    assert any("`aiodoo runs list`" in line for line in screen_lines(shown))
