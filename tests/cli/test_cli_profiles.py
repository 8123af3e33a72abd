"""`aiodoo profiles`, AIODOO_PROFILE and `-p a -p b`: several accounts at one terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cli_home import FAST, Home, new_home, profile

from aiodoo.sandbox import Sandbox, serve


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(organizations=1, webhooks_per_team=1, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with two profiles and no default."""
    with new_home() as home:
        home.write(profile("acme", box), profile("beta", box, FAST + 'teams = ["111"]\n'))
        yield home


def profile_of(home: Home, *options: str, **environ: str) -> object:
    """Return the profile that a command uses."""
    told = home.run("whoami", "-o", "json", *options, **environ)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)[0]["profile"]


def test_which_profile_a_command_uses(home: Home) -> None:
    """The one that is named, that of AIODOO_PROFILE, the default; without one the error says how to choose."""
    told = home.run("whoami")
    assert told.returncode == 1
    assert "aiodoo profiles use NAME" in told.stderr
    assert profile_of(home, AIODOO_PROFILE="beta") == "beta"
    assert profile_of(home, "-p", "acme", AIODOO_PROFILE="beta") == "acme"
    assert "acme is the default now" in home.run("profiles", "use", "acme").stderr
    assert profile_of(home) == "acme"


def test_several_profiles_at_once(home: Home) -> None:
    """Each profile that is named is used, and no other; a command for one profile refuses several."""
    told = home.run("webhooks", "list", "-p", "beta", "-p", "acme", "-o", "json")
    assert [record["profile"] for record in json.loads(told.stdout)] == ["beta", "acme"]
    assert home.run("plan", "-p", "beta", "-p", "acme").returncode == 2


def test_records_of_runs_are_deleted_of_the_named_profiles_only(home: Home) -> None:
    """However many are named."""
    for name in ("acme", "beta"):
        moved = home.run(
            "move-host", "crm.example", "b.example" if name == "acme" else "c.example", "-p", name, "--yes"
        )
        assert moved.returncode == 0, moved.stderr
        home.run("move-host", "b.example", "crm.example", "-p", name, "--yes")
    before = json.loads(home.run("runs", "list", "-o", "json").stdout)
    assert {record["profile"] for record in before} == {"acme", "beta"}
    home.run("runs", "delete", "--older-than", "0", "-p", "beta", "-p", "gamma", "--yes")
    after = json.loads(home.run("runs", "list", "-p", "acme", "-p", "beta", "-o", "json").stdout)
    assert {record["profile"] for record in after} == {"acme"}


def test_profiles_are_listed_shown_and_removed_without_their_secrets(home: Home, box: Sandbox) -> None:
    """The list marks the default; what is shown masks secrets; the last command takes one out of the file."""
    home.run("profiles", "use", "beta")
    listed = json.loads(home.run("profiles", "list", "-o", "json").stdout)
    assert [(each["profile"], each["default"]) for each in listed] == [("acme", False), ("beta", True)]
    shown = json.loads(home.run("profiles", "show", "-o", "json").stdout)
    assert (shown["profile"], *map(shown["settings"].get, ("client_secret", "teams"))) == (
        "beta",
        "***",
        ["111"],
    )
    told = home.run("profiles", "remove", "beta", "--yes")
    assert "beta was removed" in told.stderr
    assert (home.run("profiles", "show", "beta").returncode, profile_of(home)) == (2, "acme")
    for output in (told, home.run("profiles", "list"), home.run("profiles", "show")):
        assert box.client_secret not in output.stdout + output.stderr


def test_a_profile_is_shown_to_people_line_by_line(home: Home, box: Sandbox) -> None:
    """A table shows each limit, each team and where a secret comes from, as lines of words."""
    home.write(
        '[profiles.acme]\napi_key = { env = "ACME_KEY" }\nclient_id = "doo"\nclient_secret = "s3cret"\n'
        'teams = ["111", "112"]\nlimits = { per_second = 5, per_day = "none" }\nfacts = { list_echoes_scope = true }\n'
    )
    for form in ("table", "markdown"):
        told = home.run("profiles", "show", "acme", "-o", form)
        assert (told.returncode, told.stderr) == (0, "")
        words = told.stdout.replace("|", " ").replace("\\", "").split("\n")
        shown = [" ".join(line.split()) for line in words]
        assert {"api key env ACME_KEY", "client secret ***", "teams 111, 112"} < set(shown)
        assert {"limits per second 5", "limits per day none", "facts list echoes scope yes"} < set(shown)


def test_a_faulty_profile_is_shown_and_removed_too(home: Home) -> None:
    """The value of a misspelt key is hidden, as it may be a secret; a profile that is no table has nothing to show."""
    home.write(
        '[profiles]\nbeta = 3\n[profiles.acme]\napikey = "s3cret"\nclient_secret = 123\nteams = ["111"]\n'
    )
    shown = json.loads(home.run("profiles", "show", "acme", "-o", "json").stdout)["settings"]
    assert (shown["apikey"], shown["client_secret"], shown["teams"]) == ("***", "***", ["111"])
    assert json.loads(home.run("profiles", "show", "beta", "-o", "json").stdout) == {
        "kind": "profile",
        "profile": "beta",
        "default": False,
        "base_url": None,
        "settings": {},
    }
    assert home.run("profiles", "list").returncode == 0
    assert home.run("profiles", "remove", "beta", "--yes").returncode == 0
    assert "beta" not in home.config.read_text()


def test_a_second_login_breaks_no_command(box: Sandbox) -> None:
    """The first profile stays the one that is used; the program says so, and how to change it."""
    typed = f"{box.api_key}\n{box.client_id}\n{box.client_secret}\n"
    with new_home() as home:
        first = home.run("login", "acme", "--base-url", box.url, typed=typed)
        second = home.run("login", "beta", "--base-url", box.url, typed=typed)
        assert (first.returncode, second.returncode) == (0, 0), second.stderr
        assert "acme stays the default; change it with: aiodoo profiles use NAME" in second.stderr
        assert profile_of(home) == "acme"
