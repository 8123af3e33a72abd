"""Terminals, names and arguments as they are: hardly any width, joiners, other encodings, Ctrl-C at a question."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_home import new_home, profile
from cli_process import on_terminal, program, run, screen_lines

from aiodoo.cli.terminal.streams import safe
from aiodoo.sandbox import serve


@pytest.mark.parametrize("columns", ["0", "1", "3", "²", "-5", "abc", "99999999999"])
def test_terminal_of_hardly_any_width(columns: str) -> None:
    """Whatever width a terminal claims, help, tables and questions are shown and end."""
    code, shown = on_terminal(program("--help"), COLUMNS=columns, LINES=columns)
    assert (code, b"Usage" in shown) == (0, True)
    code, shown = on_terminal(
        program("--sandbox", "move-host", "crm.example", "crm2.example"), answer=b"n\n", COLUMNS=columns
    )
    assert (code, b"nothing was changed" in b" ".join(shown.split())) == (2, True)


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f469\u200d\U0001f4bb",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "Veran\u00adstaltung",
        "10\u202f000\u00a0\u20ac\u3000",
    ],
)
def test_names_are_shown_as_they_are(name: str) -> None:
    """Joiners, soft hyphens and spaces of any width belong to names, and do nothing to a terminal."""
    assert safe(name) == name


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\x1b", "\x07", "\x9b", "\ufeff", "\u2028", "\udce9"]
)
def test_what_acts_on_a_terminal_is_escaped(character: str) -> None:
    """Control characters, and those that turn the order of what is shown, are spelled out."""
    assert safe(f"a{character}b") == f"a{ascii(character)[1:-1]}b"


def test_argument_that_is_not_utf8() -> None:
    """An argument in another encoding is wrong usage, in one line that names it and does not show it."""
    create = ("webhooks", "create", "111", "--hook", "event_created=https://a.example/", "--sandbox")
    told = run(*create, "--name", "caf\udce9", "--dry-run")
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (2, "", 1)
    assert told.stderr.startswith("aiodoo: error: name is not UTF-8. Nothing was sent")
    assert "caf" not in told.stderr


def test_arguments_in_a_locale_without_utf8() -> None:
    """Where Python takes arguments for ASCII, a name in UTF-8 is still what was typed."""
    create = ("webhooks", "create", "111", "--hook", "event_created=https://a.example/", "--sandbox")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = run(*create, "--name", "Gr\udcc3\udcbc\udcc3\udc9fe", "--dry-run", **ascii_only)
    assert (told.returncode, "would create 'Gr\\xfc\\xdfe'" in told.stderr) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (("--sandbox", "move-host", "crm.example", "crm2.example"), "crm2.example? [y/N] "),
        (("--sandbox", "rotate-secret", "ask"), "Client secret: "),
    ],
)
def test_ctrl_c_at_a_question(arguments: tuple[str, ...], question: str) -> None:
    """Ctrl-C at a question leaves the question on its line, and says on the next one that the command has stopped."""
    code, shown = on_terminal(program(*arguments), stop_at=[question.encode()])
    assert code == 130
    assert screen_lines(shown)[-3:] == [
        next(line for line in screen_lines(shown) if line.endswith(question)),
        "aiodoo: stopped.",
        "",
    ]


@pytest.mark.parametrize(("second", "code"), [("one", 0), ("two", 2)])
def test_a_typed_secret_is_confirmed(second: str, code: int) -> None:
    """It is asked for twice without an echo, and nothing is sent if the two differ."""
    rotate = program("--sandbox", "rotate-secret", "ask", "--dry-run")
    ended, shown = on_terminal(rotate, question=b"secret: ", answer=f"one\n{second}\n".encode())
    assert (ended, b"the two client secrets differ; nothing was changed" in shown) == (code, code == 2)


@pytest.mark.parametrize("columns", [30, 47, 60, 80, 120])
def test_ids_and_numbers_are_never_broken(columns: int) -> None:
    """However narrow the terminal, what is copied from a table is whole; below a line for it, the terminal itself wraps."""
    with (
        serve(organizations=1, webhooks_per_team=2, plan=None, echo_scope=True) as box,
        new_home() as home,
    ):
        home.write(profile("acme", box))
        assert home.run("move-host", "crm.example", "a.example", "--yes").returncode == 0
        (run_folder,) = home.runs.iterdir()
        live = box.live("111")
        ids = [webhook["id"] for webhook in live]
        wanted = {
            "runs list": [run_folder.name, "2/2", "acme"],
            "webhooks list": [*ids, "111"],
            "organizations list": ["70001", "111"],
            "whoami": [box.url, "70001"],
            f"webhooks show {ids[0]} --team 111": [ids[0], live[0]["hooks"][0]["endpoint"]],
            "runs show": [run_folder.name],
        }
        for command, texts in wanted.items():
            environ = {**home.environ, "COLUMNS": str(columns)}
            code, shown = on_terminal(program(*command.split()), **environ)
            words = {word for line in screen_lines(shown) for word in line.split()}
            assert (command, code, [text for text in texts if text not in words]) == (command, 0, [])


def test_a_table_that_is_too_wide_becomes_lines(tmp_path: Path) -> None:
    """Each row is a block of lines `name: value`, with an empty line between two."""
    code, shown = on_terminal(program("organizations", "list", "--sandbox"), COLUMNS="20", HOME=str(tmp_path))
    lines = [line.rstrip() for line in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode().split("\r\n")]
    assert code == 0
    assert lines[:4] == ["id: 70001", "name: Organization 1", "teams: 111", ""]
