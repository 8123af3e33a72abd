"""The records that changing commands leave: of single changes too, for 30 days, and what happens where none can be kept."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli_home import Home, profile, wait_for
from cli_process import program, started

from aiodoo.sandbox import Fault, Sandbox

HOOK = ("--hook", "event_created=https://crm.example/a")
CREATE = ("webhooks", "create", "111", "--name", "one", *HOOK)


def names(box: Sandbox, team: str = "111") -> list[str]:
    """Return the names of what is live in a team."""
    return sorted(item["name"] for item in box.live(team))


def test_single_changes_leave_a_record(home: Home, box: Sandbox) -> None:
    """Each is listed with its command, can be verified and undone, and costs what the single call costs."""
    made = json.loads(home.run(*CREATE, "-o", "json").stdout)["webhook_id"]
    assert box.log.total == 2, "a token and the create"
    # A list from within a second of another run's changes is read again, as hosts' clocks differ by as much.
    time.sleep(1.1)
    requests = box.log.total
    update = ("webhooks", "update", made, "--team", "111", "--name", "two", "--yes", "-o", "json")
    changed = json.loads(home.run(*update).stdout)["webhook_id"]
    assert box.log.total - requests == 5, "as the single call, without another token"
    assert home.run("webhooks", "delete", changed, "--team", "111", "--yes").returncode == 0
    runs = json.loads(home.run("runs", "list", "-o", "json").stdout)
    assert [(run["command"], run["state"], run["done"]) for run in runs] == [
        ("create 111", "finished", 1),
        (f"update {made} --team 111", "finished", 1),
        (f"delete {changed} --team 111", "finished", 1),
    ]
    secret = box.live("111")[0]["authentication"]["credentials"]["client_secret"]
    kept = b"".join(path.read_bytes() for path in home.runs.rglob("*") if path.is_file())
    assert secret.encode() not in kept
    undone = home.run("runs", "undo", runs[-1]["run_id"], "--settle", "0", "--yes")
    assert (undone.returncode, "two" in names(box)) == (0, True), undone.stderr


def test_a_killed_create_is_resumed(home: Home, box: Sandbox) -> None:
    """Killed while its answer is on the way, it is found as what it is, and not made a second time."""
    box.script(Fault("slow", on="create", seconds=1.0))
    with started(program(*CREATE), environ=home.environ) as process:
        wait_for(box, 1)
        process.kill()
        process.communicate()
    told = home.run("runs", "resume", "--settle", "1")
    assert (told.returncode, "1 applied" in told.stderr) == (0, True), told.stderr
    assert names(box).count("one") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_update_leaves_nothing_live_twice(home: Home, box: Sandbox, number: int) -> None:
    """The first signal ends it at a safe point, says what that takes, and how to resume the rest."""
    old = box.live("111")[0]["id"]
    box.script(Fault("slow", on="create", seconds=0.5))
    update = ("webhooks", "update", str(old), "--team", "111", "--name", "other", "--yes")
    with started(program(*update), environ=home.environ) as process:
        wait_for(box, 1)
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 128 + number
    assert "stopping: " in err
    assert "nothing is live twice" in err
    assert "resume it with: aiodoo runs resume " in err
    assert (len(box.live("111")), names(box).count("other")) == (2, 1)
    run = err.split("aiodoo runs resume ")[1].split()[0]
    assert home.run("runs", "resume", run, "--settle", "1").returncode == 0
    assert (len(box.live("111")), names(box).count("other")) == (2, 1)


@pytest.fixture
def nowhere(home: Home) -> Path:
    """Name a state folder that nobody can make, as it is below a file."""
    (home.folder / "file").write_text("")
    return home.folder / "file" / "state"


def test_reading_does_without_a_state_folder(home: Home, box: Sandbox, nowhere: Path) -> None:
    """What only reads warns once and goes on; what tells of the ledger says that it cannot."""
    told = home.run("webhooks", "list", "-o", "json", XDG_STATE_HOME=str(nowhere))
    assert (told.returncode, len(json.loads(told.stdout))) == (0, 4)
    assert told.stderr.count("the quota that other processes use is not known") == 1
    for command in (
        ("export",),
        ("whoami",),
        ("plan", "doo.yaml"),
        ("move-host", "crm.example", "b.example", "--dry-run"),
    ):
        (home.folder / "doo.yaml").write_text(
            "{aiodoo: 1, manage: {name_prefix: W}, teams: ['111'], webhooks: []}"
        )
        words = [str(home.folder / word) if word == "doo.yaml" else word for word in command]
        assert home.run(*words, XDG_STATE_HOME=str(nowhere)).returncode == 0, command
    quota = home.run("quota", XDG_STATE_HOME=str(nowhere))
    assert (quota.returncode, "ledger" in quota.stderr) == (1, True)
    doctor = home.run("doctor", "-o", "json", XDG_STATE_HOME=str(nowhere))
    findings = {finding["subject"]: finding for finding in json.loads(doctor.stdout)}
    assert doctor.returncode == 1
    assert (findings["quota"]["verdict"], "cannot be made" in findings["quota"]["found"]) == ("wrong", True)


def test_changes_need_a_record_or_the_option(home: Home, box: Sandbox, nowhere: Path) -> None:
    """Without the folder nothing is sent, and one line names both ways out; with --no-record the change is made."""
    webhook_id = str(box.live("112")[0]["id"])
    changes = (
        CREATE,
        ("webhooks", "update", webhook_id, "--team", "112", "--name", "other"),
        ("webhooks", "delete", webhook_id, "--team", "112"),
        ("move-host", "crm.example", "b.example"),
    )
    for change in changes:
        refused = home.run(*change, "--yes", XDG_STATE_HOME=str(nowhere))
        assert (refused.returncode, "--no-record" in refused.stderr) == (1, True), change
    assert box.log.total == 0
    for change in changes[:2]:
        assert home.run(*change, "--yes", "--no-record", XDG_STATE_HOME=str(nowhere)).returncode == 0
    assert "other" in names(box, "112")
    (home.folder / "doo.yaml").write_text(
        "{aiodoo: 1, manage: {name_prefix: mine}, teams: ['111'], webhooks: [{name: mine, hooks: "
        "[{type: event_created, endpoint: 'https://a.example/'}]}]}"
    )
    apply = ("apply", str(home.folder / "doo.yaml"), "--yes")
    refused = home.run(*apply, XDG_STATE_HOME=str(nowhere))
    assert (refused.returncode, "--no-record" in refused.stderr) == (1, True)
    assert home.run(*apply, "--no-record", XDG_STATE_HOME=str(nowhere)).returncode == 0
    assert "mine" in names(box)
    assert home.run("move-host", "crm.example", "b.example", "--yes", "--no-record").returncode == 0
    assert not home.runs.exists() or not [*home.runs.iterdir()]
    assert home.run("move-host", "b.example", "crm.example", "--yes").returncode == 0, (
        "nothing is claimed any more"
    )


def test_a_run_without_a_record_that_parks_says_what_does_the_rest(home: Home, box: Sandbox) -> None:
    """It holds no claim, so that the same command does what is left."""
    home.write(
        profile(
            "acme", box, "limits = { per_second = 200, per_day = 9 }\nfacts = { list_echoes_scope = true }\n"
        )
    )
    told = home.run("move-host", "crm.example", "b.example", "--yes", "--no-record")
    assert (told.returncode, "the same command does what is left" in told.stderr) == (3, True), told.stderr
    assert "runs resume" not in told.stderr.replace("aiodoo runs resume continues it", "")


def test_records_are_kept_for_30_days(home: Home, box: Sandbox) -> None:
    """A later change deletes older ones that have ended, and only these; a variable sets another number of days."""
    assert home.run(*CREATE).returncode == 0
    (old,) = home.runs.iterdir()
    about = json.loads((old / "run.json").read_text())
    assert (old / "run.json").stat().st_mode & 0o777 == 0o600
    (old / "run.json").write_text(json.dumps(about | {"began": "2020-01-01T00:00:00+00:00"}))
    assert home.run(*CREATE, AIODOO_KEEP_RUNS="99999").returncode == 0
    assert (old.exists(), len([*home.runs.iterdir()])) == (True, 2)
    assert home.run(*CREATE, AIODOO_KEEP_RUNS="a week").returncode == 1
    assert home.run(*CREATE).returncode == 0
    assert (old.exists(), len([*home.runs.iterdir()])) == (False, 2)


def test_a_record_that_cannot_be_deleted_is_told(home: Home, tmp_path: Path) -> None:
    """With its folder, and what stands in the way; here that is a link."""
    assert home.run(*CREATE).returncode == 0
    (folder,) = home.runs.iterdir()
    folder.symlink_to(shutil.move(folder, tmp_path))
    told = home.run("runs", "delete", folder.name, "--yes")
    assert (told.returncode, f"{folder} cannot be deleted" in told.stderr) == (1, True), told.stderr


def test_a_change_that_must_park_says_for_how_long_and_why(home: Home, box: Sandbox) -> None:
    """The forecast of what the day has no room for names days and a date, and not the seconds that its requests take."""
    home.write(
        profile(
            "acme", box, "limits = { per_second = 200, per_day = 8 }\nfacts = { list_echoes_scope = true }\n"
        )
    )
    told = home.run("move-host", "crm.example", "b.example", "--dry-run")
    assert "days, until about 20" in told.stderr, told.stderr
    assert "so it parks, and aiodoo runs resume continues it" in told.stderr
