"""--organization: the teams of an organization, by its id or its name, of what is listed or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs
import pytest
from cli_home import FAST, Home, profile
from cli_records import records_of

from aiodoo.sandbox import Sandbox, serve

MOVE = ("move-host", "crm.example", "crm2.example", "--yes")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox: three teams of one webhook, two of them in organizations of one name."""
    with serve(organizations=3, webhooks_per_team=1, plan=None, echo_scope=True) as sandbox:
        first, *others = sandbox.organizations
        sandbox.organizations[:] = [first, *(attrs.evolve(each, name="Twin") for each in others)]
        yield sandbox


def teams_of(home: Home, *words: str) -> set[str]:
    """Return the teams of the webhooks that are listed."""
    told = home.run("webhooks", "list", "-o", "json", *words)
    assert told.returncode == 0, told.stderr
    return {each["team_id"] for each in records_of("webhooks list", told.stdout)}


def test_an_organization_is_meant_by_its_id_or_its_name(home: Home) -> None:
    """Whatever the case of its letters; several add up."""
    assert teams_of(home, "--organization", "70001") == {"111"}
    assert teams_of(home, "--organization", "organization 1", "--organization", "70003") == {"111", "113"}
    told = home.run("export", "--organization", "70002", "-o", "jsonl")
    assert {each["team_id"] for each in records_of("export", told.stdout, "jsonl")} == {"112"}


def test_only_teams_of_the_organization_are_changed(home: Home, box: Sandbox) -> None:
    """And only they are read before."""
    told = home.run(*MOVE, "--organization", "70002")
    assert told.returncode == 0, told.stderr
    moved = [team for team in box.teams if "crm2.example" in json.dumps(box.live(team))]
    assert moved == ["112"]
    assert {request.team for request in box.log.requests if request.kind == "list"} == {"112"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--organization", "Organisation 1"), "'Organisation 1'; there are Organization 1 (70001)."),
        (
            ("--organization", "twin"),
            "2 organizations are called 'twin': Twin (70002), Twin (70003). Use the id",
        ),
        (("--organization", "70001", "--team", "111"), "--team and --organization exclude each other"),
    ],
)
@pytest.mark.parametrize("command", [("webhooks", "list"), MOVE, ("audit",), ("export",)])
def test_one_that_is_not_clear_is_refused(
    home: Home, box: Sandbox, command: tuple[str, ...], words: tuple[str, ...], named: str
) -> None:
    """With the organizations that may be meant, before any webhook is read or changed."""
    told = home.run(*command, *words)
    assert (told.returncode, told.stdout) == (2, "")
    assert named in told.stderr
    assert box.count("list") + box.count("create") == 0


def test_all_that_are_alike_are_counted(home: Home) -> None:
    """Of six whose names are like the misspelt one five are named, and the sixth is counted."""
    with serve(organizations=6, webhooks_per_team=0, plan=None) as six:
        home.write(profile("acme", six))
        told = home.run("webhooks", "list", "--organization", "Organisation")
    assert told.stderr.count("(7000") == 5
    assert "and 1 more. Nothing was read" in told.stderr


def test_the_accounts_that_have_it_are_asked(home: Home, box: Sandbox) -> None:
    """With several profiles, the others are left alone; a profile's own teams still bound what is changed."""
    with serve(organizations=1, webhooks_per_team=1, plan=None) as other:
        home.write(profile("acme", box), profile("beta", other))
        told = home.run("webhooks", "list", "--all-profiles", "--organization", "70002", "-o", "json")
        assert {each["profile"] for each in records_of("webhooks list", told.stdout)} == {"acme"}
        assert other.count("list") == 0
    home.write(profile("acme", box, FAST + 'teams = ["111"]\n'))
    told = home.run("webhooks", "list", "--organization", "70002")
    assert (told.returncode, "has no team here" in told.stderr) == (2, True), told.stderr
