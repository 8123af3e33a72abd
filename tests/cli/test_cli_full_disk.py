"""A full disk, and a state folder that cannot be read: what only reads goes on, and what is not known is said."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile
from cli_process import installed, run_code

from aiodoo.sandbox import Sandbox, serve

DECLARED = (
    "{aiodoo: 1, manage: {name_prefix: mine}, teams: ['111'], webhooks: [{name: mine, hooks: "
    "[{type: event_created, endpoint: 'https://a.example/'}]}]}"
)
READS = [
    "whoami",
    "organizations list",
    "webhooks list",
    "audit",
    "plan doo.yaml",
    "export",
    "runs list",
    "runs show",
]
FULL = 25
"""KiB that any file may have: enough for a ledger, and less than the state folder must have room for."""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(organizations=1, webhooks_per_team=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with a profile, a run and a ledger that knows what it has sent."""
    with new_home() as home:
        home.write(profile("acme", box, "limits = { per_second = 200, per_day = 900 }\n"))
        (home.folder / "doo.yaml").write_text(DECLARED)
        move = ("move-host", "crm.example", "b.example", "--yes", "--allow-widening")
        assert home.run(*move).returncode == 0
        yield home


def on_full_disk(home: Home, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose files can hardly grow, as on a full disk."""
    words = [str(home.folder / word) if word == "doo.yaml" else word for word in shlex.split(command)]
    limited = ["bash", "-c", f'ulimit -f {FULL}; exec "$@"', "bash", *installed(*words)]
    return run_code(limited, typed="", **home.environ)


def used(told: subprocess.CompletedProcess[str]) -> int:
    """Return what `quota -o json` says is used."""
    found = json.loads(told.stdout)
    return int((found[0] if isinstance(found, list) else found)["used"])


def test_reads_on_a_full_disk(home: Home) -> None:
    """They end as they do elsewhere, and those that ask doo warn that it is not counted."""
    for command in READS:
        told = on_full_disk(home, command)
        assert (told.returncode, bool(told.stdout)) == (0, command != "audit"), (command, told.stderr)
        assert ("is not counted later" in told.stderr) == (not command.startswith("runs"))


def test_the_quota_on_a_full_disk(home: Home) -> None:
    """What was sent before is known, also to a command that sends more, and to itself only."""
    before = used(home.run("quota", "-o", "json"))
    assert before > 0
    assert on_full_disk(home, "webhooks list").returncode == 0
    told = on_full_disk(home, "quota -o json")
    assert (told.returncode, used(told)) == (0, before)
    assert "is not counted" in told.stderr


def test_a_change_on_a_full_disk_is_refused(home: Home, box: Sandbox) -> None:
    """As it would leave no record."""
    sent = box.log.total
    told = on_full_disk(home, "move-host b.example c.example --yes --allow-widening")
    assert (told.returncode, "--no-record" in told.stderr, box.log.total) == (1, True, sent)


def test_a_ledger_that_cannot_be_read_is_not_an_unused_one(home: Home) -> None:
    """`quota` says that it does not know."""
    ledger = home.runs.parent / "quota.db"
    ledger.unlink()
    ledger.mkdir()
    told = home.run("quota")
    assert (told.returncode, told.stdout) == (1, "")
    assert "cannot be used" in told.stderr


def test_a_folder_of_runs_that_cannot_be_read_is_not_an_empty_one(home: Home) -> None:
    """`runs list` says that it does not know, and ends with 1."""
    home.runs.rename(home.runs.with_name("elsewhere"))
    assert home.run("runs", "list").stderr == "aiodoo: there are no runs.\n"
    home.runs.touch()
    told = home.run("runs", "list")
    assert (told.returncode, told.stdout) == (1, "")
    assert "it is not known which runs there are" in told.stderr


def test_a_change_without_a_record_writes_nothing_beside_the_ledger(home: Home, box: Sandbox) -> None:
    """Its run is marked as alive beside the copy: a mark that nobody can open, as on a read-only disk, is not touched."""
    (home.runs.parent / "quota.db.run-0").mkdir()
    told = on_full_disk(
        home, "webhooks create 111 --name new --hook event_created=https://a.example/ --no-record --yes"
    )
    assert told.returncode == 0, told.stderr
    assert "new" in {webhook["name"] for webhook in box.live("111")}
