"""Completion in a shell: names and ids that this machine knows, without a request."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile
from cli_process import installed

from aiodoo.models import HOOK_TYPES, RESOURCES
from aiodoo.sandbox import Sandbox, serve

TEAMS = ["111", "112"]
COMPLETE = """\
source "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_aiodoo
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(organizations=2, webhooks_per_team=1, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with two profiles."""
    with new_home() as home:
        home.write(profile("acme", box), profile("beta", box))
        yield home


def sent_to(box: Sandbox) -> int:
    """Return how many requests the sandbox has had."""
    return box.log.total


def completed(home: Home, *words: str) -> list[str]:
    """Return what the program offers for the last word; it says nothing else."""
    told = home.run("__complete", *words)
    assert (told.returncode, told.stderr) == (0, "")
    return [line.partition("\t")[0] for line in told.stdout.splitlines() if line and "\x1f" not in line]


@pytest.mark.parametrize(
    "words",
    [("-p",), ("webhooks", "list", "--profile"), ("profiles", "use"), ("copy", "--from-profile"), ("login",)],
)
def test_names_of_profiles(home: Home, box: Sandbox, words: tuple[str, ...]) -> None:
    """Where a profile is named, those of the file are offered, and doo is not asked."""
    assert completed(home, *words, "") == ["acme", "beta"]
    assert sent_to(box) == 0


def test_ids_of_runs_and_teams(home: Home, box: Sandbox) -> None:
    """Runs that have a record, the newest first; teams once a command has listed them, so without a request."""
    assert completed(home, "webhooks", "list", "--team", "") == []
    assert home.run("organizations", "list", "-p", "acme").returncode == 0
    for host in ("a.example", "b.example"):
        done = home.run("move-host", "crm.example", host, "--yes", "-p", "acme")
        assert done.returncode == 0
    runs = sorted((each.name for each in home.runs.iterdir()), reverse=True)
    sent = sent_to(box)
    for words in (("show",), ("resume",), ("undo",), ("delete",)):
        assert set(completed(home, "runs", *words, "")) == set(runs)
    for words in (("list", "--team"), ("create",), ("show", "1", "--team"), ("delete", "1", "--team")):
        assert completed(home, "webhooks", *words, "") == TEAMS
    assert completed(home, "export", "--team", "") == TEAMS
    assert sent_to(box) == sent


def test_hook_types_and_resources(home: Home) -> None:
    """What doo's pages name."""
    assert completed(home, "webhooks", "list", "--type", "") == list(HOOK_TYPES)
    assert completed(home, "listen", "event_created", "") == list(HOOK_TYPES)
    assert completed(home, "trigger", "") == list(HOOK_TYPES)
    assert completed(home, "webhooks", "initialize", "") == list(RESOURCES)


def test_a_file_that_cannot_be_read_completes_nothing(home: Home) -> None:
    """A person who presses Tab gets no error in the line."""
    home.config.write_text("profiles = [")
    assert completed(home, "-p", "") == []


def test_teams_that_a_sandbox_for_one_call_has_are_not_kept(home: Home) -> None:
    """They are nobody's."""
    assert home.run("webhooks", "list", "--sandbox").returncode == 0
    assert completed(home, "webhooks", "list", "--team", "") == []


def test_bash(home: Home) -> None:
    """The script completes commands by itself, and asks the program for what it alone knows."""
    script = home.folder / "aiodoo.bash"
    script.write_text(home.run("completion", "bash").stdout)
    environ = {**home.environ, "SCRIPT": str(script), "PATH": "/usr/bin:/bin"}

    def offered(*words: str) -> list[str]:
        told = subprocess.run(  # noqa: S603  # our own script
            ["/bin/bash", "-c", COMPLETE, "bash", *words],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.split()

    (aiodoo,) = installed()
    assert offered(aiodoo, "mo") == ["move-host"]
    assert offered(aiodoo, "webhooks", "list", "-p", "b") == ["beta"]
    assert offered(aiodoo, "webhooks", "initialize", "ord") == ["orders"]


def test_a_profile_gets_no_name_that_the_file_cannot_have(home: Home, box: Sandbox) -> None:
    """`login` refuses it before it asks for anything, as the file would be refused whole afterwards."""
    told = home.run("login", "two words")
    assert (told.returncode, "must be a name" in told.stderr, sent_to(box)) == (2, True, 0)
    assert home.run("profiles", "list").returncode == 0
