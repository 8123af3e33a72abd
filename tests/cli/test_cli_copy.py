"""`aiodoo copy` between two accounts, as a process: edits of the original and outages in the middle."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from cli_home import Home, new_home, profile
from cli_process import program, started

from aiodoo.sandbox import Sandbox, classic, serve

LIMITS = (
    'limits = { per_second = 200, per_day = "none", concurrency = 1 }\nfacts = { list_echoes_scope = true }\n'
)
OWN = "its own"
COPY = (
    "copy", "--from-profile", "origin", "--to-profile", "goal", "--team", "111=112", "--team", "112=111", "--yes",
)  # fmt: skip


@pytest.fixture
def origin() -> Iterator[Sandbox]:
    """Serve the account that has them: two teams of three pages each."""
    with serve(organizations=2, webhooks_per_team=0, page_size=2, plan=None, echo_scope=True) as sandbox:
        for team in sandbox.teams:
            for number in range(5):
                sandbox.add_webhook(team, classic(f"{team} {number}"))
        yield sandbox


@pytest.fixture
def goal() -> Iterator[Sandbox]:
    """Serve the account that gets them: teams with the same ids, one of which has a webhook."""
    with serve(organizations=2, webhooks_per_team=0, plan=None, echo_scope=True) as sandbox:
        sandbox.add_webhook("112", classic(OWN))
        yield sandbox


@pytest.fixture
def home(origin: Sandbox, goal: Sandbox) -> Iterator[Home]:
    """Have a home with a profile of each."""
    with new_home() as home:
        home.write(profile("origin", origin, LIMITS), profile("goal", goal, LIMITS))
        yield home


def contents(box: Sandbox, team: str) -> Counter[str]:
    """Return what a team holds, as text without ids, beside what it had before."""
    return Counter(
        json.dumps({**item, "id": None}, sort_keys=True) for item in box.live(team) if item["name"] != OWN
    )


def assert_copied(origin: Sandbox, goal: Sandbox) -> None:
    """Everything is there once, and nothing was ever deleted."""
    assert contents(goal, "112") == contents(origin, "111")
    assert contents(goal, "111") == contents(origin, "112")
    assert {change.what for change in goal.log.changes} == {"created"}
    assert len(goal.live("112")) == 6
    assert origin.count("create") == origin.count("delete") == 0


def test_an_outage_of_the_goal_is_waited_out(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """Connections are refused in the middle; the run waits and goes on, and nothing is made twice."""
    goal.before("create", lambda: goal.refuse_connections(0.9), nth=3)
    told = home.run(*COPY)
    assert told.returncode == 0, told.stderr
    assert "10 applied" in told.stderr
    assert_copied(origin, goal)


def interrupted(home: Home, goal: Sandbox) -> tuple[str, str]:
    """Stop a copy with Ctrl-C while its goal refuses connections; return its run and what was told."""
    goal.before("create", goal.refuse_connections, nth=3)
    with started(program(*COPY), environ=home.environ) as process:
        while len(goal.log.changes) < 4:
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    (run,) = home.runs.iterdir()
    return run.name, told


def test_an_outage_that_does_not_end(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """Whoever stops it is told how to resume, and the same command refuses to begin anew; the resumed run makes the rest.

    It reads the secrets of what is left from the first account again.
    """
    run, told = interrupted(home, goal)
    assert f"aiodoo runs resume {run}" in told
    again = home.run(*COPY)
    assert (again.returncode, f"aiodoo runs resume {run}" in again.stderr) == (1, True)
    goal.accept_connections()
    resumed = home.run("runs", "resume", run, "--settle", "1")
    assert resumed.returncode == 0, resumed.stderr
    assert_copied(origin, goal)


def test_what_was_changed_or_deleted_since_is_said(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """A secret that the first account shows no more, or not as it was, is named; the run is abandoned, and a new one ends it."""
    run, _ = interrupted(home, goal)
    goal.accept_connections()
    done = {item["name"] for team in goal.teams for item in goal.live(team)}
    first, second = [item for item in origin.live("112") if item["name"] not in done][-2:]
    origin.foreign_delete(first["id"])
    needed = home.run("runs", "resume", run, "--settle", "1")
    assert (needed.returncode, "in team 111" in needed.stderr) == (1, True), needed.stderr
    assert "not shown any more where they were copied from" in needed.stderr
    origin.foreign_edit(second["id"], classic(second["name"]))
    changed = home.run("runs", "resume", run, "--settle", "1")
    assert changed.returncode == 1
    assert f"webhook configuration {second['id']} of team 112, it has changed there since" in changed.stderr
    assert home.run("runs", "abandon", run, "--yes").returncode == 0
    ended = home.run(*COPY)
    assert ended.returncode == 0, ended.stderr
    assert_copied(origin, goal)


def test_a_copy_of_what_is_there_already_asks_for_nothing(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """A second one ends at once, without a question, a run or leave to widen."""
    assert home.run(*COPY).returncode == 0
    told = home.run(*COPY[:-1])
    assert (told.returncode, told.stderr) == (0, "aiodoo: there is nothing to change.\n")
    assert len([*home.runs.iterdir()]) == 1
    assert_copied(origin, goal)


def test_a_team_that_there_is_not_is_told_as_one(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """What would fail is counted, and one request is one."""
    told = home.run(*COPY[:5], "--team", "111=999", "--yes")
    assert told.returncode == 1
    assert " would fail." in told.stderr
    assert " failed; 1 request." in told.stderr
    assert "the list of team 999 could not be read: doo refused" in told.stdout
    assert "(HTTP 404)" in told.stdout


def test_a_dry_run_says_in_words_where_secrets_come_from(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """The list of the account that is copied from, by team and id; nothing is written as Python writes it."""
    told = home.run(*COPY, "--dry-run")
    assert told.returncode == 0, told.stderr
    for team in origin.teams:
        for item in origin.live(team):
            assert f"*** from the list of team {team}, webhook configuration {item['id']}" in told.stdout
    assert "{" not in told.stdout


def test_a_second_without_network_at_the_origin(home: Home, origin: Sandbox, goal: Sandbox) -> None:
    """It is read through, and so is what somebody changes there meanwhile: what moves to another page is copied."""
    first, *_, last = origin.live("111")
    for each in (first, last):
        origin.after("list", partial(origin.foreign_delete, each["id"]), team="111")
    origin.after("list", lambda: origin.foreign_create("111", classic("new")), team="111", nth=2)
    origin.after("list", lambda: origin.refuse_connections(1.0), team="111", nth=3)
    told = home.run(*COPY)
    assert told.returncode == 0, told.stderr
    assert contents(goal, "112") == contents(origin, "111")
    assert len(contents(goal, "112")) == 4
