"""`aiodoo move-host`, `rotate-secret`, `copy`, `export` and `runs`: many changes, stopped, killed and resumed."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cli_home import Home, profile, wait_for
from cli_process import on_terminal, program, run_code, screen_lines, started
from ruamel.yaml import YAML

from aiodoo.cli import carry_out, run_folders
from aiodoo.sandbox import Fault, Sandbox, serve

SLOW = 'limits = { per_second = 25, per_day = "none" }\nfacts = { list_echoes_scope = true }\n'
MOVE = ("move-host", "crm.example", "crm2.example")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox: three teams of four webhooks."""
    with serve(organizations=3, webhooks_per_team=4, plan=None, echo_scope=True) as sandbox:
        yield sandbox


def moved(box: Sandbox, old: str, new: str) -> Counter[str]:
    """Return what every team holds, as text without ids, with one host in another's place."""
    return Counter(
        json.dumps({**item, "id": None}, sort_keys=True).replace(f"//{old}/", f"//{new}/")
        for team in box.teams
        for item in box.live(team)
    )


def test_move_host(home: Home, box: Sandbox) -> None:
    """The forecast comes first; with consent everything moves, once; then there is nothing left to move."""
    wanted = moved(box, "crm.example", "crm2.example")
    dry = home.run(*MOVE, "--dry-run")
    assert (dry.returncode, dry.stdout.count("update  Webhook")) == (0, 12)
    assert "acme: 12 updates in 3 teams; 30 requests, about 0 s" in dry.stderr
    assert box.count("list") == 3  # each team once: what was read to choose them tells the price as well
    asked = home.run(*MOVE)
    assert (asked.returncode, "--yes" in asked.stderr, box.count("create")) == (2, True, 0)
    assert not home.runs.exists()
    listed_before, token = box.count("list"), box.count("token")
    sent_before = box.log.total
    told = home.run(*MOVE, "--yes", "-o", "jsonl")
    assert told.returncode == 0
    *outcomes, last = [json.loads(line) for line in told.stdout.splitlines()]
    assert [each["status"] for each in outcomes] == ["applied"] * 12
    assert (last["kind"], last["requests"]) == ("run", 30)
    assert box.count("list") - listed_before == 3 * (1 + 2), "each team once before anything is changed"
    tokens, organizations = box.count("token") - token, 1
    assert box.log.total - sent_before == 30 + 3 + tokens + organizations, "what was said, and the reading"
    assert moved(box, "", "") == wanted
    again = home.run(*MOVE, "--yes")
    none, nothing = again.stderr.splitlines()
    assert none == "aiodoo: no webhook configuration has the host crm.example; others have crm2.example."
    assert (again.returncode, nothing) == (0, "aiodoo: there is nothing to change.")

    listed = json.loads(home.run("runs", "list", "-o", "json").stdout)
    assert [(run["state"], run["done"], run["command"]) for run in listed] == [
        ("finished", 12, " ".join(MOVE))
    ]
    assert home.run("runs", "verify").returncode == 0
    gone = box.live("112")[0]["id"]
    box.foreign_delete(str(gone))
    found = home.run("runs", "verify", listed[0]["run_id"])
    assert (found.returncode, str(gone) in found.stdout) == (1, True)


def test_undo(home: Home, box: Sandbox) -> None:
    """A run is undone by another one: what was moved is back, what was created is deleted if that is agreed to."""
    before = moved(box, "", "")
    assert home.run(*MOVE, "--yes", "--team", "111").returncode == 0
    # A list from within a second of another run's changes is read again, as hosts' clocks differ by as much.
    time.sleep(1.1)
    told = home.run("runs", "undo", "--yes")
    assert (told.returncode, moved(box, "", "")) == (0, before)
    assert re.findall(r"(\d+) requests", told.stderr) == ["10", "10"], "what was said is what was sent"
    assert "undo" in home.run("runs", "list").stdout.splitlines()[-1]
    with serve(organizations=1, plan=None, echo_scope=True) as other:
        home.write(profile("acme", box), profile("beta", other))
        copy = ("copy", "--from-profile", "acme", "--to-profile", "beta", "--team", "111=111", "--yes")
        assert home.run(*copy).returncode == 0
        asked = home.run("runs", "undo", "--yes")
        assert (asked.returncode, "--allow-net-deletes 4" in asked.stderr) == (2, True)
        assert home.run("runs", "undo", "--yes", "--allow-net-deletes", "4").returncode == 0
        assert other.live("111") == []


def test_a_copy_must_not_widen_unseen(home: Home, box: Sandbox) -> None:
    """Where doo's list may hide what limits a webhook, --yes alone does not agree to copies of it."""
    home.write(profile("acme", box, 'limits = { per_second = 200, per_day = "none" }\n'))
    told = home.run(*MOVE, "--yes")
    assert (told.returncode, "--allow-widening" in told.stderr, box.count("create")) == (2, True, 0)
    agreed = home.run(*MOVE, "--yes", "--allow-widening", "--team", "111")
    assert (agreed.returncode, box.count("create")) == (0, 4)
    assert agreed.stderr.count("than their originals") == 1, "it is said once"


@pytest.mark.parametrize(("number", "code", "creates"), [(signal.SIGINT, 130, 3), (signal.SIGTERM, 143, 7)])
def test_stopped_killed_and_gone_on_with(
    home: Home, box: Sandbox, number: int, code: int, creates: int
) -> None:
    """A run that is stopped says how to go on; killed in between, it still ends with everything moved exactly once."""
    home.write(profile("acme", box, SLOW))
    wanted = moved(box, "crm.example", "crm2.example")
    with started(program(*MOVE, "--yes"), environ=home.environ) as process:
        wait_for(box, creates)
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (code, "")
    (run,) = [path.name for path in home.runs.iterdir()]
    assert err.splitlines()[-2:] == [f"aiodoo: resume it with: aiodoo runs resume {run}", "aiodoo: stopped."]
    assert "Traceback" not in err
    with started(program("runs", "resume", run, "--settle", "1"), environ=home.environ) as process:
        wait_for(box, creates + 2)
        process.kill()
        process.communicate()
    seen = json.loads(home.run("runs", "show", "-o", "json").stdout)
    assert (seen["state"], len(seen["outcomes"])) == ("interrupted", 12)
    # Another run must not be in its way, nor it in the other's.
    with started(program("runs", "show", "--follow"), environ=home.environ) as watching:
        told = home.run("runs", "resume", run[:12], "--settle", "1")
        shown, err = watching.communicate()
    assert (told.returncode, watching.returncode) == (0, 0)
    assert "12 applied" in shown
    assert "12/12 done" in err
    assert moved(box, "", "") == wanted
    assert home.run("runs", "resume").returncode == 0


def killed_in_the_middle(home: Home, box: Sandbox, *more: str) -> str:
    """Kill a move in the middle of its creates; return the id of its run."""
    home.write(profile("acme", box, SLOW))
    creates = box.count("create")
    before = set(home.runs.iterdir()) if home.runs.exists() else set()
    with started(program(*MOVE, *more, "--yes"), environ=home.environ) as process:
        wait_for(box, creates + 3)
        process.kill()
        process.communicate()
    (run,) = {*home.runs.iterdir()} - before
    return run.name


def test_killed_and_begun_again(home: Home, box: Sandbox) -> None:
    """The second one sends nothing at all, names the first run and both commands, and leaves nothing to resume."""
    wanted = moved(box, "crm.example", "crm2.example")
    run = killed_in_the_middle(home, box)
    before = box.log.total
    again = home.run(*MOVE, "--yes")
    told = " ".join(again.stderr.split())
    assert again.returncode == 1
    assert f"is claimed by the run {run} (move-host)" in told
    assert told.endswith(f"aiodoo runs resume {run}; or abandon it: aiodoo runs abandon {run}"), (
        "as it is typed"
    )
    assert "bulk." not in told
    assert "not finished" not in told
    (home.folder / "doo.yaml").write_text(
        "{aiodoo: 1, manage: {name_prefix: Webhook}, teams: [111], webhooks: []}"
    )
    webhook_id = str(box.live("111")[0]["id"])
    for change in (
        ("webhooks", "delete", webhook_id, "--team", "111"),
        ("webhooks", "update", webhook_id, "--team", "111", "--name", "other"),
        ("apply", str(home.folder / "doo.yaml"), "--prune", "--allow-net-deletes", "9"),
        (*MOVE, "--team", "112"),
    ):
        refused = home.run(*change, "--yes")
        assert f"claimed by the run {run}" in refused.stderr
        assert refused.returncode == 1
    assert box.log.total == before
    assert [path.name for path in home.runs.iterdir()] == [run]
    assert home.run("runs", "resume", run, "--settle", "1").returncode == 0
    assert moved(box, "", "") == wanted


def test_without_an_id_the_unfinished_run_goes_on(home: Home, box: Sandbox) -> None:
    """Not a later one that has finished, of which there is nothing to resume."""
    run = killed_in_the_middle(home, box)
    newer = home.runs / "20990101-000000-move-host-ffff"
    with serve(organizations=1, webhooks_per_team=1, plan=None) as other:
        home.write(profile("acme", box, SLOW), profile("two", other))
        moved_there = home.run("move-host", "crm.example", "b.example", "-p", "two", "--yes")
        assert moved_there.returncode == 0, moved_there.stderr
    (later,) = [path for path in home.runs.iterdir() if path.name != run]
    later.rename(newer)
    told = home.run("runs", "resume", "-p", "acme", "--settle", "1")
    assert (told.returncode, told.stderr.startswith(f"aiodoo: {run}: ")) == (0, True)


def test_given_up(home: Home, box: Sandbox) -> None:
    """Abandoning a run says what is half done and what undoes it; it cannot be resumed, and others may have its teams."""
    run = killed_in_the_middle(home, box)
    given_up = home.run("runs", "abandon", run, "--yes")
    half_done, last = given_up.stderr.splitlines()
    assert (given_up.returncode, last) == (0, f"aiodoo: done: {run} was abandoned.")
    assert "were begun and are not done" in half_done
    assert f"aiodoo runs undo {run} undoes it" in half_done
    resumed = home.run("runs", "resume", run)
    assert (resumed.returncode, f"aiodoo runs undo {run}" in resumed.stderr) == (1, True)
    assert json.loads(home.run("runs", "list", "-o", "json").stdout)[0]["state"] == "abandoned"
    followed = home.run("runs", "show", "--follow")
    assert (followed.returncode, "resume it with" in followed.stderr) == (0, False)
    verified = home.run("runs", "verify", "-o", "json")
    assert verified.returncode == 1
    assert "resume it with" not in verified.stderr
    again = home.run(*MOVE, "--yes")
    assert "is claimed" not in again.stderr
    assert again.returncode == 0, again.stderr


def test_a_run_whose_journal_is_damaged_can_be_given_up(home: Home, box: Sandbox) -> None:
    """Its teams are free then; whatever it left has to be looked for, and that is said."""
    run = killed_in_the_middle(home, box)
    journal = home.runs / run / "journal"
    journal.write_bytes(journal.read_bytes().replace(b"111", b"911"))
    listed = home.run("runs", "list")
    assert f"Abandon the run with: aiodoo runs abandon {run}" in listed.stderr
    assert "bulk." not in listed.stderr
    code, asked = on_terminal(program("runs", "abandon"), answer=b"n\n", **home.environ)
    assert (code, "nothing of it can be reported or undone" in " ".join(screen_lines(asked))) == (2, True)
    way = f"Abandon the run with: aiodoo runs abandon {run}"
    for command in (
        ("runs", "resume", run),
        ("runs", "show", run),
        ("runs", "resume"),
        ("runs", "list"),
        MOVE,
    ):
        told = home.run(*command, "--yes")
        assert (told.returncode, way in told.stderr) == (1, True), told.stderr
        assert "bulk." not in told.stderr
        assert f"resume {run}" not in told.stderr
    assert json.loads(home.run("runs", "list", "-o", "json").stdout)[0]["state"] == "damaged"
    given_up = home.run("runs", "abandon", "--yes")
    assert given_up.returncode == 0, given_up.stderr
    assert given_up.stderr.count("cannot be read") == 1
    assert "aiodoo webhooks list" in given_up.stderr
    listed = home.run("runs", "list", "-o", "json")
    assert (listed.returncode, listed.stderr, json.loads(listed.stdout)[0]["state"]) == (0, "", "abandoned")
    assert home.run("runs", "resume").returncode == 0
    assert home.run("runs", "abandon", "--yes").returncode == 0
    assert "is claimed" not in home.run(*MOVE, "--yes").stderr


def test_without_an_id_all_runs_that_are_due_are_resumed(home: Home, box: Sandbox) -> None:
    """Those of the chosen profiles, one that was stopped only if that is asked for; with none there is no error."""
    none = (0, "aiodoo: there is no run to resume now.\n")
    told = home.run("runs", "resume")
    assert (told.returncode, told.stderr) == none
    wanted = moved(box, "crm.example", "crm2.example")
    killed = killed_in_the_middle(home, box, "--team", "111")
    stopped = stopped_in_the_middle(home, box, "--team", "112")
    assert home.run(*MOVE, "--team", "113", "--yes").returncode == 0
    states = {
        run["run_id"]: run["state"] for run in json.loads(home.run("runs", "list", "-o", "json").stdout)
    }
    assert (states.pop(killed), states.pop(stopped), *states.values()) == (
        "interrupted",
        "stopped",
        "finished",
    )
    home.write("default = 'beta'", profile("acme", box, SLOW), profile("beta", box, SLOW))
    for choice in ((), ("--profile", "beta")):
        told = home.run("runs", "resume", *choice)
        assert (told.returncode, told.stderr.endswith(none[1])) == (0, True)
        assert "2 runs of other profiles are not finished; --all-profiles resumes them too" in told.stderr
    home.write(profile("beta", box, SLOW))
    told = home.run("runs", "resume", "--all-profiles")
    assert (told.returncode, f"{killed} is not finished, and there is no profile acme" in told.stderr) == (
        0,
        True,
    )
    home.write("default = 'beta'", profile("acme", box, SLOW), profile("beta", box, SLOW))
    told = home.run("runs", "resume", "--all-profiles", "--settle", "1")
    assert (told.returncode, f"aiodoo: {killed}: move-host" in told.stderr) == (0, True), told.stderr
    how = f"aiodoo: {stopped} was stopped with Ctrl-C; resume it with: aiodoo runs resume {stopped}"
    assert how in told.stderr.splitlines(), "as it is typed, without a full stop"
    told = home.run("runs", "resume", "--stopped", "-p", "acme", "--settle", "1")
    assert (told.returncode, f"aiodoo: {stopped}: move-host" in told.stderr) == (0, True), told.stderr
    assert moved(box, "", "") == wanted
    told = home.run("runs", "resume", "--all-profiles")
    assert (told.returncode, told.stderr) == none


def stopped_in_the_middle(home: Home, box: Sandbox, *more: str) -> str:
    """Stop a move with Ctrl-C in the middle of its creates; return the id of its run."""
    creates = box.count("create")
    with started(program(*MOVE, *more, "--yes"), environ=home.environ) as process:
        wait_for(box, creates + 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    found = re.search(r"resume it with: aiodoo runs resume (\S+)", err)
    assert found is not None, err
    return found[1]


def test_several_runs_are_resumed_by_one_command(home: Home, box: Sandbox) -> None:
    """One that cannot be resumed, whose journal or description is damaged, does not keep the others from it."""
    wanted = moved(box, "crm.example", "crm2.example")
    runs = [killed_in_the_middle(home, box, "--team", team) for team in ("111", "112", "113")]
    (home.runs / runs[1] / "run.json").write_text("{")
    told = home.run("runs", "resume", "--settle", "1")
    assert told.returncode == 1
    assert f"{runs[1]}: " in told.stderr
    for run in (runs[0], runs[2]):
        assert f"aiodoo: {run}: move-host" in told.stderr
    assert told.stderr.count("applied") == 2, told.stderr
    assert home.run("runs", "resume", runs[1], "-p", "acme", "--settle", "1").returncode == 0
    assert moved(box, "", "") == wanted


def test_records_of_runs_are_deleted(home: Home, box: Sandbox) -> None:
    """Those that have ended, by id or by age; one that has not is refused by id, and kept by age."""
    open_run = killed_in_the_middle(home, box, "--team", "111")
    for team in ("112", "113"):
        assert home.run(*MOVE, "--team", team, "--yes").returncode == 0
    done = sorted(path.name for path in home.runs.iterdir() if path.name != open_run)
    refused = home.run("runs", "delete", done[0], open_run, "--yes")
    assert (refused.returncode, f"{open_run} is not finished; nothing was deleted" in refused.stderr) == (
        1,
        True,
    )
    assert home.run("runs", "delete").returncode == 2
    asked = home.run("runs", "delete", done[0])
    assert (asked.returncode, "--yes" in asked.stderr, len([*home.runs.iterdir()])) == (2, True, 3)
    assert home.run("runs", "delete", done[0], "--yes").returncode == 0
    assert (
        home.run("runs", "delete", "--older-than", "1", "--yes").stderr
        == "aiodoo: there is no run to delete.\n"
    )
    assert home.run("runs", "delete", "--older-than", "0", "--yes").returncode == 0
    assert [path.name for path in home.runs.iterdir()] == [open_run]


def test_what_a_killed_run_left_is_named_with_the_way_on(home: Home, box: Sandbox) -> None:
    """Verifying a run that was killed says what it left, and the command that finishes it; abandoning a finished one is said."""
    run = killed_in_the_middle(home, box)
    verified = home.run("runs", "verify")
    assert (verified.returncode, verified.stderr.splitlines()[-1]) == (
        1,
        f"aiodoo: warning: it is not finished; resume it with: aiodoo runs resume {run}",
    )
    assert home.run("runs", "resume", "--settle", "1").returncode == 0
    given_up = home.run("runs", "abandon", "--yes")
    assert given_up.stderr == f"aiodoo: done: {run} had finished; its claims are released.\n"


def test_runs_that_cannot_be_read(home: Home, box: Sandbox) -> None:
    """A damaged journal is named and keeps no other run from being listed; one that was not begun is waited for aloud."""
    assert home.run(*MOVE, "--yes").returncode == 0
    (run,) = home.runs.iterdir()
    damaged, waiting = home.runs / f"{run.name}1", home.runs / f"{run.name}2"
    shutil.copytree(run, damaged)
    lines = (damaged / "journal").read_bytes().splitlines(keepends=True)
    (damaged / "journal").write_bytes(b"".join([lines[0], *lines[2:]]))
    waiting.mkdir()
    shutil.copy(run / "run.json", waiting)
    requests = box.count()
    listed = home.run("runs", "list", "-o", "json")
    assert listed.returncode == 1
    assert [seen["state"] for seen in json.loads(listed.stdout)] == ["finished", "damaged", "not begun"]
    assert f"{damaged.name}: the journal" in listed.stderr
    assert f"aiodoo runs abandon {damaged.name}" in listed.stderr
    assert "Traceback" not in listed.stderr
    shown = home.run("runs", "show", damaged.name)
    assert (shown.returncode, "is damaged" in shown.stderr) == (1, True)
    with started(program("runs", "show", "--follow", waiting.name), environ=home.environ) as watching:
        assert watching.stderr is not None
        assert "it has not begun yet" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate()
    assert (watching.returncode, box.count()) == (130, requests)


def test_a_run_that_is_stopped_before_it_begins_leaves_nothing(tmp_path: Path) -> None:
    """There would be nothing to resume, and `runs resume` would fail on it."""
    run = run_folders.make(tmp_path, "move-host", None, None)

    async def going() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(carry_out.discarding_empty(going(), {"acme": run}))
    assert list(tmp_path.iterdir()) == []


def test_runs_are_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """Of several that began within one second the newest is the last one, whatever their ids end in."""
    begun = [run_folders.make(tmp_path, "move-host", None, None).id for _ in range(20)]
    assert [run.id for run in run_folders.all_of(tmp_path)] == begun
    assert run_folders.find(tmp_path, None).id == begun[-1]


def test_what_is_on_its_way_is_not_done(home: Home, box: Sandbox) -> None:
    """While a process works on a run it is running; only what has ended counts as done, and killed it is interrupted."""
    box.script(Fault("slow", on="create", seconds=60.0, times=None))
    with started(program(*MOVE, "--yes"), environ=home.environ) as process:
        wait_for(box, 1)
        (seen,) = json.loads(home.run("runs", "list", "-o", "json").stdout)
        assert (seen["state"], seen["done"], seen["operations"]) == ("running", 0, 12)
        process.kill()
        process.communicate()
    shown = json.loads(home.run("runs", "show", "-o", "json").stdout)
    assert (shown["state"], shown["done"]) == ("interrupted", 0)
    states = {(each["status"], each["ended"]) for each in shown["outcomes"]}
    assert ("unknown", False) in states
    assert states <= {("unknown", False), ("not_started", False)}
    # Whoever watches is told that it is nobody's any more.
    with started(program("runs", "show", "--follow"), environ=home.environ) as watching:
        assert watching.stderr is not None
        assert "no process works on it; resume it with: aiodoo runs resume" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate()
    assert watching.returncode == 130


@pytest.mark.parametrize(
    ("number", "code", "within"),
    [(signal.SIGINT, 130, 60), (signal.SIGTERM, 143, 20), (signal.SIGHUP, 129, 20)],
)
def test_the_first_signal_leaves_nothing_live_twice(
    home: Home, box: Sandbox, number: int, code: int, within: int
) -> None:
    """A run that is asked to stop amid a batch says what that takes, deletes the old ones of it, and returns."""
    home.write(profile("acme", box, SLOW))
    live = sum(len(box.live(team)) for team in box.teams)
    with started(program(*MOVE, "--yes"), environ=home.environ) as process:
        wait_for(box, 3)
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    assert sum(len(box.live(team)) for team in box.teams) == live
    assert "acme: stopping: " in err
    assert f"at most {within} s. Once more stops it at once." in err
    *_, stands, way, last = filter(None, err.splitlines())
    assert re.fullmatch(r"aiodoo: acme: \d+ requests in all; nothing is live twice\.", stands)
    assert ("aiodoo runs resume" in way, last) == (True, "aiodoo: stopped.")


def test_a_closed_terminal_leaves_nothing_live_twice(home: Home, box: Sandbox) -> None:
    """Nothing can be written there any more, progress included; the run is stopped in order all the same."""
    home.write(profile("acme", box, SLOW))
    live = sum(len(box.live(team)) for team in box.teams)
    master, slave = pty.openpty()
    with started(
        program(*MOVE, "--yes"), environ=home.environ, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        wait_for(box, 3)
        os.close(master)
        process.send_signal(signal.SIGHUP)
        code = process.wait()
    assert box.count("delete") >= 1
    assert sum(len(box.live(team)) for team in box.teams) == live
    assert code == 129


def test_the_second_signal_names_what_stays_live_twice(home: Home, box: Sandbox) -> None:
    """It cancels the run, which says what it leaves, by id, and how to go on; its record is the last line all the same."""
    home.write(profile("acme", box, SLOW))
    box.after("create", lambda: box.script(Fault("slow", on="list", seconds=60.0, times=None)))
    with started(program(*MOVE, "--yes", "-o", "jsonl"), environ=home.environ) as process:
        wait_for(box, 3)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "stopping:" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    *outcomes, last = map(json.loads, out.splitlines())
    assert (last["kind"], last["state"], last["done"]) == ("run", "stopped", 0)
    assert [outcome["index"] for outcome in outcomes] == list(range(last["operations"]))
    twice = [item["id"] for team in box.teams for item in box.live(team) if "crm2" in json.dumps(item)]
    assert twice
    assert "may both be live" in err
    assert "LeftLive" not in err, "an event's name is no word for a person"
    assert all(webhook_id in err for webhook_id in twice)
    assert err.splitlines()[-1] == "aiodoo: stopped."


@pytest.mark.parametrize("seed", range(4))
def test_ctrl_c_at_random_moments(home: Home, box: Sandbox, seed: int) -> None:
    """On a terminal, stopped again and again at any moment, a move still ends with everything moved exactly once."""
    home.write(profile("acme", box, SLOW))
    wanted = moved(box, "crm.example", "crm2.example")
    chance = Random(seed)
    for attempt in range(9):
        begun = home.runs.exists() and list(home.runs.iterdir())
        command = ("runs", "resume", "--stopped", "--settle", "1") if begun else (*MOVE, "--yes")
        moment = chance.uniform(0.0, 2.5) if attempt < 8 else None
        code, shown = on_terminal(program(*command), stop_after=moment, **home.environ)
        # Before a command has begun, Ctrl-C ends the process as it ends any other of Python's.
        assert code == -signal.SIGINT or (code in {0, 130} and b"Traceback" not in shown)
        if code == 0:
            break
    assert code == 0
    assert moved(box, "", "") == wanted
    if begun:
        assert home.run("runs", "verify").returncode == 0


def test_a_secret_that_resuming_needs(home: Home, box: Sandbox) -> None:
    """A run with a secret that was typed in is not resumed without it; at a terminal it is asked for, and has to be it."""
    box.script(Fault("slow", on="create", seconds=60.0))
    typed = uuid.uuid4().hex
    with started(
        program("rotate-secret", "ask", "--yes"), environ=home.environ, stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"{typed}\n")
        process.stdin.flush()
        wait_for(box, 1)
        process.kill()
        process.communicate()
    # What the killed process had sent may still arrive, but whoever sends anything fetches a token first.
    tokens = box.count("token")
    told = home.run("runs", "resume")
    assert (told.returncode, told.stdout, box.count("token")) == (1, "", tokens)
    assert "client_secret of webhook " in told.stderr
    assert "give them with --secret WEBHOOK=env:NAME" in told.stderr
    resume = program("runs", "resume", "--settle", "1")
    for answer, code in ((uuid.uuid4().hex, 1), (typed, 0)):
        ended, shown = on_terminal(
            resume, question=b"hidden: ", answer=answer.encode() + b"\n", **home.environ
        )
        assert ended == code, shown.decode()
        assert answer.encode() not in shown
        assert (b"not the one with which the run was started" in b" ".join(shown.split())) == (code == 1)
    secrets = {item["authentication"]["credentials"]["client_secret"] for item in box.live("111")}
    assert secrets == {typed}


def test_parked(home: Home, box: Sandbox) -> None:
    """When the day's quota is spent a run parks with 3 and says when and how to resume."""
    home.write(
        profile(
            "acme", box, "limits = { per_second = 200, per_day = 28 }\nfacts = { list_echoes_scope = true }\n"
        )
    )
    told = home.run(*MOVE, "--yes")
    assert told.returncode == 3
    assert "it is not finished; resume it, from 20" in told.stderr
    (seen,) = json.loads(home.run("runs", "list", "-o", "json").stdout)
    assert (seen["state"], seen["resume_at"] is not None) == ("parked", True)
    assert "parked until 20" in home.run("runs", "list").stdout
    told = home.run("runs", "resume")
    assert (told.returncode, f"{seen['run_id']} is parked until 20" in told.stderr) == (0, True)
    assert home.run("runs", "resume", seen["run_id"]).returncode == 3
    assert home.run("quota").returncode in {0, 3}


def test_a_full_disk(home: Home, box: Sandbox) -> None:
    """When nothing more can be written, the command ends with 1 and says so; with room again everything gets done."""
    wanted = moved(box, "crm.example", "crm2.example")
    # The measuring of coverage could not write its own file either, and would say so.
    script = 'unset ${!COVERAGE_*}; ulimit -f 32; exec "$@"'
    with started(["bash", "-c", script, "bash", *program(*MOVE, "--yes")], environ=home.environ) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    assert "could not be written" in err
    assert home.run("runs", "resume", "--settle", "1").returncode == 0
    assert moved(box, "", "") == wanted


def test_a_disk_that_is_full_from_the_start(home: Home, box: Sandbox) -> None:
    """A run that cannot even be begun changes nothing, and leaves nothing behind that is in the way of the next one."""
    home.write(profile("acme", box))
    assert home.run("webhooks", "list").returncode == 0
    # No file may grow: what says what a run is for cannot be written.
    script = 'unset ${!COVERAGE_*}; ulimit -f 0; exec "$@"'
    code = (
        "import sys\nfrom pathlib import Path\nfrom aiodoo.cli import run_folders\n"
        "from aiodoo.errors import ConfigError\n"
        "try:\n    run_folders.make(Path(sys.argv[1]), 'move-host a b', None, None)\n"
        "except ConfigError as error:\n    print(error, file=sys.stderr)\n"
    )
    ended = run_code(
        ["bash", "-c", script, "bash", sys.executable, "-B", "-c", code, str(home.runs)], **home.environ
    )
    assert "cannot be made: File too large; nothing was changed" in ended.stderr
    assert list(home.runs.iterdir()) == []
    assert home.run("runs", "list").returncode == 0


@pytest.mark.parametrize("secret", ["    ", "****", "abc...xyz"])
def test_rotate_secret_takes_no_mask(home: Home, box: Sandbox, secret: str) -> None:
    """It would rotate nothing, and say so with a good exit code."""
    told = home.run("rotate-secret", "env:THEIRS", "--yes", THEIRS=secret)
    assert told.returncode == 1
    assert "nothing would be rotated" in told.stderr
    assert secret.strip("* ") == "" or secret not in told.stderr
    assert box.count("create") == 0


def test_rotate_secret(home: Home, box: Sandbox) -> None:
    """Every webhook that logs in gets the new secret, which is shown and kept nowhere."""
    secret = uuid.uuid4().hex
    chosen = ("--team", "111", "--team", "112", "--name", "* of team 11?")
    told = home.run("rotate-secret", "env:THEIRS", *chosen, "--yes", THEIRS=secret)
    assert (told.returncode, told.stdout) == (0, "")
    assert box.count("list") == 2 + 2 * 2, "each team once before anything is changed"
    found = Counter(
        (team, item["authentication"]["credentials"]["client_secret"] == secret)
        for team in box.teams
        for item in box.live(team)
    )
    assert found == {("111", True): 4, ("112", True): 4, ("113", False): 4}
    kept = b"".join(path.read_bytes() for path in home.folder.rglob("*") if path.is_file())
    assert secret.encode() not in kept
    assert secret not in told.stderr


def test_all_profiles(home: Home, box: Sandbox) -> None:
    """With --all-profiles every account is changed, each in a run of its own."""
    with serve(organizations=1, webhooks_per_team=2, plan=None, echo_scope=True) as other:
        home.write(profile("acme", box), profile("beta", other))
        told = home.run(*MOVE, "--all-profiles", "--yes", "-o", "jsonl")
        assert told.returncode == 0
        assert Counter(json.loads(line)["profile"] for line in told.stdout.splitlines()) == {
            "acme": 12 + 1,
            "beta": 2 + 1,
        }
        assert len(list(home.runs.iterdir())) == 2
        assert "crm.example" not in json.dumps(other.live("111"))


def test_a_bad_profile_does_not_keep_the_others_from_it(home: Home, box: Sandbox) -> None:
    """One with a mistake in the file and one with refused credentials are told, the third is changed; the code is 1."""
    with serve(organizations=1, webhooks_per_team=2, plan=None, echo_scope=True) as other:
        refused = profile("refused", other).replace(other.client_secret, "0" * 40)
        home.write(profile("acme", box), "[profiles.wrong]\nnonsense = 1\n", refused)
        assert home.run("webhooks", "list", "-p", "acme").returncode == 0
        told = home.run(*MOVE, "--all-profiles", "--yes", "-o", "jsonl")
    assert told.returncode == 1
    *outcomes, _ = [json.loads(line) for line in told.stdout.splitlines()]
    assert {each["status"] for each in outcomes} == {"applied"}
    assert "wrong: " in told.stderr
    assert "nonsense is not known" in told.stderr
    assert "refused: " in told.stderr


def test_copy_by_a_table_of_any_editor(home: Home) -> None:
    """A byte order mark is no part of an id, and a table without an end is not read to it."""
    table = home.folder / "teams.csv"
    table.write_bytes(b"\xef\xbb\xbf111,112\r\n")
    told = home.run("--sandbox", "copy", "--teams", str(table), "--dry-run")
    assert told.returncode == 0, told.stderr
    endless = home.run("copy", "--teams", "/dev/zero", "--yes")
    assert endless.returncode == 1
    assert "/dev/zero is larger than 16 MiB; nothing was sent" in endless.stderr


def test_copy(home: Home, box: Sandbox) -> None:
    """Webhooks go from one account's teams to another's, by a table; what is there already is not made twice."""
    with serve(organizations=2, plan=None, echo_scope=True) as other:
        home.write(profile("acme", box), profile("beta", other))
        table = home.folder / "teams.txt"
        table.write_text("# from to\n111 112\n\n112, 111\n")
        copy = ("copy", "--from-profile", "acme", "--to-profile", "beta", "--teams", str(table), "--yes")
        told = home.run(*copy, "-o", "json")
        assert told.returncode == 0
        *outcomes, _ = json.loads(told.stdout)
        assert {each["status"] for each in outcomes} == {"applied"}
        # A list from within a second of another run's changes is read again, as hosts' clocks differ by as much.
        time.sleep(1.1)
        again = home.run(*copy, "-o", "json")
        assert (again.returncode, json.loads(again.stdout)) == (0, []), again.stderr
        assert other.count("list") == 2 * 2, "each team once, for the price and the run"
        assert contents(other, "112") == contents(box, "111")
        assert contents(other, "111") == contents(box, "112")
        table.write_text("111 112\n111 111\n")
        wrong = home.run(*copy)
        assert (wrong.returncode, f"{table}, line 2: the team 111 is named twice" in wrong.stderr) == (
            1,
            True,
        )
        assert home.run(*copy[:5], "--yes").returncode == 2


def contents(box: Sandbox, team: str) -> Counter[str]:
    """Return what a team holds, as text without ids."""
    return Counter(json.dumps({**item, "id": None}, sort_keys=True) for item in box.live(team))


def test_export(home: Home, box: Sandbox) -> None:
    """YAML declares what is there, so that a plan finds nothing to do; JSON lines hold the secrets if they are asked for."""
    twin = {
        "name": "Webhook n",
        "hooks": [{"type": "x", "method": "POST", "endpoint": "https://a.example/${x}"}],
    }
    for content in (twin, twin, twin | {"description": ""}):
        box.add_webhook("111", content)
    told = home.run("export", "--team", "111")
    document: Any = YAML(typ="safe").load(told.stdout)
    assert (document["aiodoo"], document["teams"], len(document["webhooks"])) == (1, ["111"], 7)
    assert secrets_of(document["webhooks"]) == {"${secret:listed}"}
    lines = [json.loads(line) for line in home.run("export", "--format", "jsonl").stdout.splitlines()]
    assert secrets_of(lines) == {"***"}
    whole = home.run("export", "--format", "jsonl", "--with-secrets", "--team", "111").stdout.splitlines()
    assert secrets_of(json.loads(line) for line in whole) == secrets_of(box.live("111"))
    (home.folder / "doo.yaml").write_text(told.stdout)
    planned = home.run("plan", str(home.folder / "doo.yaml"), "--allow-unknown-type")
    assert (planned.returncode, planned.stdout) == (0, "Nothing to do: 7 unchanged in one team.\n")


def secrets_of(webhooks: Iterable[Any]) -> set[str]:
    """Return every client secret in them."""
    return {
        webhook["authentication"]["credentials"]["client_secret"]
        for webhook in webhooks
        if "authentication" in webhook
    }


def test_two_terminals_go_on_at_once(home: Home, box: Sandbox) -> None:
    """Without an id both find the same run; one of them finishes it, the other one says so or that it is in use."""
    wanted = moved(box, "crm.example", "crm2.example")
    killed_in_the_middle(home, box)
    command = program("runs", "resume", "--settle", "1")
    with (
        started(command, environ=home.environ) as one,
        started(command, environ=home.environ) as other,
    ):
        said = [(process.communicate()[1], process.returncode) for process in (one, other)]
    assert any(code == 0 and "12 applied" in told for told, code in said), said
    for told, code in said:
        ways = {
            0: ("12 applied", "is running", "there is no run to resume"),
            1: ("is in use by", "is claimed"),
        }
        assert any(way in told for way in ways[code]), told
    assert home.run("runs", "resume").stderr == "aiodoo: there is no run to resume now.\n"
    assert moved(box, "", "") == wanted


def test_giving_up_twice_at_once_and_killed(home: Home, box: Sandbox) -> None:
    """It is abandoned once, and abandoning it again does no harm; no request is sent, so no network is needed."""
    run = killed_in_the_middle(home, box)
    box.refuse_connections()
    command = program("runs", "abandon", run, "--yes")
    with started(command, environ=home.environ) as process:
        process.kill()
        process.communicate()
    with (
        started(command, environ=home.environ) as one,
        started(command, environ=home.environ) as other,
    ):
        said = [(process.communicate()[1], process.returncode) for process in (one, other)]
    # One that finds the journal held by the other says that, and gives nothing up twice.
    assert any(code == 0 and told.endswith(f"{run} was abandoned.\n") for told, code in said), said
    assert all(code == 0 or "is in use by" in told for told, code in said), said
    assert home.run("runs", "abandon", run, "--yes").returncode == 0
    assert json.loads(home.run("runs", "list", "-o", "json").stdout)[0]["state"] == "abandoned"
    box.accept_connections()


def test_a_run_whose_folder_was_copied(home: Home, box: Sandbox) -> None:
    """One of both goes on; the other one is told to be an old copy, and can be named although the copy's name begins so."""
    wanted = moved(box, "crm.example", "crm2.example")
    run = killed_in_the_middle(home, box)
    shutil.copytree(home.runs / run, home.runs / f"{run}.copy")
    assert home.run("runs", "resume", f"{run}.copy", "--settle", "1").returncode == 0
    assert moved(box, "", "") == wanted
    requests = box.count()
    refused = home.run("runs", "resume", run, "--settle", "1")
    assert (refused.returncode, "is an old copy" in refused.stderr) == (1, True), refused.stderr
    given_up = home.run("runs", "abandon", run, "--yes")
    assert (given_up.returncode, f"{run} was abandoned." in given_up.stderr) == (0, True), given_up.stderr
    told = home.run("runs", "resume")
    assert (told.returncode, told.stderr) == (0, "aiodoo: there is no run to resume now.\n")
    assert box.count() == requests


def test_runs_that_are_not_there(home: Home) -> None:
    """Without runs there is nothing to list, and nothing to resume."""
    assert home.run("runs", "list").stderr == "aiodoo: there are no runs.\n"
    told = home.run("runs", "resume", "2020")
    assert (told.returncode, "no run whose id begins with '2020'" in told.stderr) == (1, True)
