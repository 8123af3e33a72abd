"""What is said on standard error: a label tells errors, warnings and successes apart, and a colour where one is wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile
from cli_process import on_terminal, program, run, screen_lines

from aiodoo.sandbox import Sandbox, serve

WRONG = ("whoami", "--sandbox", "-p", "a")
RED, GREEN, YELLOW = (f"\x1b[1;{number}m" for number in (31, 32, 33))
MOVE = ("move-host", "crm.example", "crm2.example")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox whose lists do not show what limits a webhook."""
    with serve(organizations=1, webhooks_per_team=2, plan=None) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile."""
    with new_home() as home:
        home.write(profile("acme", box, 'limits = { per_second = 200, per_day = "none" }\n'))
        yield home


def labels(said: str) -> list[str]:
    """Return the labels of what was said, in order."""
    starts = [line.removeprefix("aiodoo: ") for line in said.splitlines() if line.startswith("aiodoo: ")]
    found = [start.partition(": ")[0] for start in starts]
    return [label for label in found if label in {"error", "warning", "done"}]


def test_a_label_is_enough_without_colour(home: Home) -> None:
    """Through a pipe each kind of message is known by its label alone, and no byte is a colour."""
    wrong = run(*WRONG)
    assert (wrong.returncode, labels(wrong.stderr)) == (2, ["error"])
    declined = home.run(*MOVE, "--yes")
    assert (declined.returncode, labels(declined.stderr)) == (2, ["warning", "error"])
    done = home.run(*MOVE, "--yes", "--allow-widening")
    assert (done.returncode, labels(done.stderr)[0]) == (0, "done")
    assert "\x1b" not in wrong.stderr + declined.stderr + done.stderr


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_through_a_pipe(environ: dict[str, str], *, coloured: bool) -> None:
    """There are none, unless FORCE_COLOR asks for them and NO_COLOR does not refuse; so of tables and of help."""
    said = run(*WRONG, **environ).stderr
    assert (f"{RED}error:\x1b[0m" in said, "\x1b" in said) == (coloured, coloured)
    assert ("\x1b" in run("profiles", "--help", **environ).stdout) == coloured
    assert ("\x1b" in run("organizations", "list", "--sandbox", **environ).stdout) == coloured


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_on_a_terminal(environ: dict[str, str], *, coloured: bool) -> None:
    """A terminal shows the label in colour, unless NO_COLOR is set or the terminal has none."""
    code, shown = on_terminal(program(*MOVE, "--sandbox", "--yes"), **environ)
    text = shown.decode()
    assert (code, GREEN in text) == (0, coloured)
    assert any(line.startswith("aiodoo: done: sandbox: 6 applied") for line in screen_lines(shown))
    code, shown = on_terminal(program(*WRONG), **environ)
    assert (code, RED in shown.decode()) == (2, coloured)


def test_a_dumb_terminal_gets_no_bars() -> None:
    """What cannot move its cursor gets lines and no control codes."""
    _, shown = on_terminal(program(*MOVE, "--sandbox", "--yes"), TERM="dumb")
    assert b"\x1b" not in shown


def test_copies_that_may_widen_are_warned_of_once(home: Home, box: Sandbox) -> None:
    """Before a question, or after a run that was agreed to beforehand, but not both."""
    code, shown = on_terminal(program(*MOVE), answer=b"y\n", **home.environ)
    text = " ".join(" ".join(screen_lines(shown)).split())
    assert (code, text.count("warning:"), text.count("may then reach every event")) == (0, 1, 1)
    back = home.run("move-host", "crm2.example", "crm.example", "--yes", "--allow-widening")
    assert (back.returncode, labels(back.stderr)) == (0, ["done", "warning"])
    assert "2 copies may reach more events" in back.stderr
    (webhook, *_) = json.loads(home.run("webhooks", "list", "-o", "json").stdout)
    update = ("webhooks", "update", webhook["webhook_id"], "--team", "111", "--description", "other")
    code, shown = on_terminal(program(*update), answer=b"y\n", **home.environ)
    assert (code, b" ".join(shown.split()).count(b"may reach")) == (0, 0), shown


def test_a_success_is_information_in_json_lines(home: Home) -> None:
    """JSON lines have the levels that logs have."""
    said = home.run(*MOVE, "--yes", "--allow-widening", "--log-format", "json").stderr
    assert {json.loads(line)["level"] for line in said.splitlines()} == {"info", "warning"}
