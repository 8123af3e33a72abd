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
    with serve(
        organizations=2, webhooks_per_team=2, plan=None, echo_scope=True, webhook_ids="counter"
    ) as sandbox:
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


ASKING = [
    "whoami",
    "organizations list",
    "webhooks list",
    "webhooks show 1 --team 111",
    "webhooks update 1 --team 111 --name mine --allow-widening",
    "webhooks delete 2 --team 111",
    "webhooks initialize events --organization 70001",
    "export",
    "audit",
    "move-host crm.example b.example",
    "rotate-secret env:HOME",
    "plan doo.yaml",
    "apply doo.yaml",
    "webhooks create 111 --name other --hook event_created=https://a.example/",
]
"""Commands that ask doo."""

OFFLINE = [
    (0, "quota"),
    (2, "quota -p nosuch"),
    (1, "quota reset"),
    (0, "validate doo.yaml"),
    (2, "validate misspelt.yaml"),
    (2, "plan misspelt.yaml"),
    (2, "apply misspelt.yaml"),
    (1, "webhooks create 111 --file misspelt.yaml"),
    (1, "validate none.yaml"),
    (2, "validate doo.yaml --var x"),
    (2, "webhooks create 111 --name a --hook event_creatd=https://a.example/"),
    (2, "webhooks create 111 --name a --hook event_created=ftp://a.example/"),
    (2, "webhooks create 111"),
    (2, "webhooks update 1 --team 111"),
    (2, "webhooks list --team 111,112"),
    (2, "webhooks create 11/1 --name a --hook event_created=https://a.example/"),
    (2, "move-host crm.example CRM.example"),
    (2, "webhooks list --type event_creatd"),
    (2, "webhooks initialize evnts --organization 1"),
    (2, "rotate-secret env:NOT_THERE"),
    (2, "rotate-secret file:/not/there"),
    (2, "rotate-secret abc"),
    (2, "move-host https://a.example b.example"),
    (2, "copy --from-profile nosuch --to-profile acme --team 111=112"),
    (2, "copy --from-profile acme --to-profile acme --team 111"),
    (2, "copy"),
    (1, "copy --from-profile broken --to-profile acme --team 111=112"),
    (0, "runs list"),
    (2, "runs list -p nosuch"),
    (0, "runs resume"),
    (2, "runs resume -p nosuch"),
    (2, "runs resume 2026 --all-profiles"),
    *[(1, f"runs {word} nosuch") for word in ("show", "resume", "verify", "undo", "abandon", "delete")],
    *[(2, f"runs {word} --sandbox") for word in ("resume", "verify", "undo", "delete --older-than 1")],
    (0, "profiles list"),
    (0, "profiles show acme"),
    (0, "profiles use acme"),
    *[(2, f"profiles {word} nosuch") for word in ("show", "use", "remove")],
    (2, "profiles list --sandbox"),
    (2, "login acme --sandbox"),
    (2, "trigger event_creatd"),
    (2, "trigger event_created"),
    (2, "listen event_creatd"),
    (2, "sandbox --given-credentials"),
    (2, "sandbox --port -1"),
    (2, "demo --organizations 0"),
    (2, "worker"),
    (2, "doctor -p nosuch"),
    (0, "completion fish"),
    (2, "completion csh"),
    (0, "help runs resume"),
    (2, "help nosuch"),
    (1, "whoami --config none.toml"),
]
"""Commands that end before they ask doo, or hardly ask it."""


def test_every_command_that_asks_doo(home: Home, box: Sandbox) -> None:
    """0 if doo does it, 1 if it refuses, 2 if the profile that is named is none, 3 if the day has no room."""
    with serve(organizations=1, plan=None) as other, serve(organizations=1, plan=None) as third:
        wrong = profile("broken", third).replace(third.client_secret, "0" * 40)
        home.write(
            profile("acme", box),
            wrong,
            profile("spent", other, "limits = { per_second = 100, per_day = 1 }\n"),
        )
        for command in ASKING:
            words = [str(home.folder / word) if word == "doo.yaml" else word for word in command.split()]
            for code, name in ((3, "spent"), (2, "nosuch"), (1, "broken"), (0, "acme")):
                told = home.run(*words, "--yes", "-p", name)
                assert (command, name, told.returncode) == (command, name, code), told.stderr


def test_every_other_command(home: Home, box: Sandbox) -> None:
    """What is typed wrong is 2, what is not there or refused is 1; a misspelt type is 2 in an option and in a file."""
    gone = profile("broken", box).replace(box.url, "http://127.0.0.1:9")
    home.write(profile("acme", box), gone.replace(box.api_key, "0" * 40))
    declared = (home.folder / "doo.yaml").read_text()
    (home.folder / "misspelt.yaml").write_text(declared.replace("event_created", "event_creatd"))
    assert home.run("profiles", "use", "acme").returncode == 0
    assert home.run("whoami").returncode == 0
    for code, command in OFFLINE:
        words = [
            str(home.folder / word) if word.endswith((".yaml", ".toml")) else word for word in command.split()
        ]
        told = home.run(*words, "--yes" if "login" not in command else "--dry-run")
        assert (command, told.returncode) == (command, code), told.stderr
    assert home.run("quota", "-p", "acme").returncode == 0


def test_no_at_a_question_exits_with_2(home: Home) -> None:
    """Whoever does not agree has changed nothing, and a script can tell; `login` to a profile that is there, too."""
    for command in (MOVE, ("login", "acme")):
        code, shown = on_terminal(program(*command), answer=b"n\n", **home.environ)
        assert (code, b"nothing was changed" in shown) == (2, True), command


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
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
    assert documented == ["0", "1", "2", "3", "4", "130, 143, 129"]
    line = " ".join(home.run("--help").stdout.split()).split("Exit codes: ")[1]
    assert re.findall(r"\b\d+\b", line.split(".")[0]) == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "130",
        "143",
        "129",
    ]
