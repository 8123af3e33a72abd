"""`aiodoo export` as a process, while somebody edits the account and while the network fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

import pytest
from cli_home import Home, new_home, profile
from ruamel.yaml import YAML

from aiodoo.sandbox import Sandbox, classic, serve

TEAM = "111"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve two teams of three pages each."""
    with serve(organizations=2, webhooks_per_team=6, page_size=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile."""
    with new_home() as home:
        home.write(profile("acme", box))
        yield home


def live(box: Sandbox) -> list[str]:
    """Return the ids of all that is live."""
    return sorted(item["id"] for team in box.teams for item in box.live(team))


def exported(text: str) -> list[str]:
    """Return the ids in JSON lines."""
    return sorted(json.loads(line)["id"] for line in text.splitlines())


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_edit_between_two_pages_hides_nothing(home: Home, box: Sandbox, page: int) -> None:
    """When webhooks go, others move up over the page's edge; what is written has exactly those that are live."""
    first, *_, last = box.live(TEAM)
    for each in (first, last):
        box.after("list", partial(box.foreign_delete, each["id"]), team=TEAM, nth=page)
    box.after("list", lambda: box.foreign_create(TEAM, classic("new")), team=TEAM, nth=page + 1)
    told = home.run("export", "--format", "jsonl")
    assert (told.returncode, told.stderr) == (0, "")
    assert exported(told.stdout) == live(box)
    assert len(live(box)) == 11


def test_a_team_that_never_rests_is_named_and_left_out(home: Home, box: Sandbox) -> None:
    """Nothing of it is written, as no reading of it is whole; the other team is, and the exit code says that it is not all."""

    def swap() -> None:
        box.foreign_delete(box.live(TEAM)[0]["id"])
        box.foreign_create(TEAM, classic("another"))
        box.after("list", swap, team=TEAM)

    box.after("list", swap, team=TEAM)
    told = home.run("export", "--format", "jsonl")
    assert told.returncode == 1
    assert "the list of team 111 changed through 6 readings" in told.stderr
    assert exported(told.stdout) == sorted(item["id"] for item in box.live("112"))


def test_a_second_without_network(home: Home, box: Sandbox) -> None:
    """Connections are refused in the middle of a team; it is waited for, and all is written."""
    box.after("list", lambda: box.refuse_connections(1.0), team=TEAM, nth=2)
    told = home.run("export")
    assert told.returncode == 0, told.stderr
    document = YAML(typ="safe").load(told.stdout)
    assert sum(len(declared["teams"]) for declared in document["webhooks"]) == 12
