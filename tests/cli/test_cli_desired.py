"""`aiodoo plan` and `aiodoo apply`: what they show, what they do, and how they end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home, profile, wait_for
from cli_process import on_terminal, program, screen_lines, started

from aiodoo.sandbox import Sandbox, serve

DECLARED = """\
aiodoo: 1
manage: {name_prefix: "Webhook "}
teams: all
variables: {host: crm.example}
webhooks:
  - name: Webhook 1 of team ${team.id}
    description: Webhook for testing all the hook types
    hooks:
      - {type: event_created, endpoint: "https://${host}/${team.id}/1"}
    authentication:
      endpoint: https://crm.example/${team.id}/1
      credentials: {client_secret: "${secret:listed}"}
  - name: Webhook for events
    teams: [111]
    hooks:
      - {type: event_created, endpoint: "https://${host}/events"}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(
        organizations=3, webhooks_per_team=2, plan=None, echo_scope=True, webhook_ids="counter"
    ) as sandbox:
        yield sandbox


def test_plan_shows_what_has_to_be_done_and_exits_with_4(home: Home) -> None:
    """Creates, replacements field by field, what is not declared, the price; and nothing is changed."""
    file = str(home.folder / "doo.yaml")
    told = home.run("plan", file)
    assert told.returncode == 0
    assert told.stderr == ""
    lines = told.stdout.splitlines()
    assert lines[:7] == [
        "team 111 (Organization 1)",
        "  + Webhook for events  doo.yaml:13",
        "      + hooks[event_created].endpoint: https://crm.example/events",
        "  ~ Webhook 1 of team 111  id 1  doo.yaml:6",
        "      - hooks[event_removed]: https://crm.example/111/1",
        "      - hooks[event_updated]: https://crm.example/111/1",
        "      - hooks[order_created]: https://crm.example/111/1",
    ]
    assert "  ? Webhook 2 of team 112  id 4  not declared; --prune deletes it" in lines
    assert lines[-2:] == [
        "1 to create, 3 to replace, 0 to delete in 3 teams; 0 unchanged.",
        "Cost: 19 requests, about 0 s.",
    ]
    pruned = home.run("plan", file, "--prune", "--var", "host=b.example")
    assert "  - Webhook 2 of team 113  id 6" in pruned.stdout
    assert "https://crm.example/113/1 -> https://b.example/113/1" in pruned.stdout


def test_plan_for_programs(home: Home) -> None:
    """JSON with everything, JSON lines with a change each, YAML; no secret in any of them."""
    file = str(home.folder / "doo.yaml")
    whole = json.loads(home.run("plan", file, "-o", "json").stdout)
    assert whole["counts"] == {"create": 1, "replace": 3, "delete": 0, "unchanged": 0, "undeclared": 3}
    assert whole["forecast"]["requests"] == 19
    lines = home.run("plan", file, "-o", "jsonl").stdout.splitlines()
    *changes, plan = [json.loads(line) for line in lines]
    assert changes == whole.pop("changes")
    # Each plan has a digest of its own, as it was made at another time.
    assert {**plan, "digest": None} == {**whole, "digest": None}
    assert home.run("plan", file, "-o", "yaml").stdout.startswith("kind: plan\n")


def test_plan_of_nothing_exits_with_0(home: Home) -> None:
    """Nothing to do is said in one line."""
    text = DECLARED[: DECLARED.index("webhooks:")] + "webhooks: []\n"
    (home.folder / "doo.yaml").write_text(text.replace("Webhook ", "nobody's "))
    told = home.run("plan", str(home.folder / "doo.yaml"))
    assert (told.returncode, told.stdout) == (0, "Nothing to do: 0 unchanged in 3 teams.\n")


def test_a_broken_file_is_told_line_by_line(home: Home) -> None:
    """Each fault on a line of its own, with file, line, column and remedy; nothing on standard output."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("type: event", "tpe: event").replace("aiodoo: 1", "aiodoo: 7"))
    told = home.run("plan", str(file))
    assert (told.returncode, told.stdout) == (1, "")
    lines = told.stderr.splitlines()
    assert lines[0] == f"aiodoo: error: {file}:1:9: aiodoo must be 1, the only version of this format so far"
    assert lines[2].endswith("webhooks[0].hooks[0].tpe is nothing that this format knows; did you mean type?")
    assert len(lines) == 6
    missing = home.run("plan", str(home.folder / "no.yaml"))
    assert missing.returncode == 1
    assert "no.yaml cannot be read (No such file or directory)" in missing.stderr


def test_wrong_usage_of_plan(home: Home) -> None:
    """A variable without a value is 2."""
    told = home.run("plan", str(home.folder / "doo.yaml"), "--var", "host")
    assert (told.returncode, told.stderr) == (2, "aiodoo: error: --var takes NAME=VALUE, each name once.\n")


def test_what_a_plan_leaves_out_is_told(home: Home) -> None:
    """A team that cannot be read is an error on standard error; alone it is 1."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("teams: all", "teams: [999]").replace("    teams: [111]\n", ""))
    told = home.run("plan", str(file))
    assert told.returncode == 1
    assert told.stderr.startswith("aiodoo: error: team 999: its list could not be read")


def test_a_plan_with_something_that_cannot_be_made_is_not_applied(home: Home, box: Sandbox) -> None:
    """It says how to give the secret, invites to nothing, and exits with 1; so do both ways to apply it."""
    file, out = str(home.folder / "doo.yaml"), str(home.folder / "plan.json")
    text = DECLARED.replace("name: Webhook 1 of", "name: Webhook one of")
    (home.folder / "doo.yaml").write_text(text.replace("for testing all", "for some"))
    planned = home.run("plan", file, "--prune", "--out", out)
    applied = home.run("apply", out, "--yes", "--allow-net-deletes", "6")
    at_once = home.run("apply", file, "--prune", "--yes", "--allow-net-deletes", "6")
    for told in (planned, applied, at_once):
        assert told.returncode == 1
        assert "such as client_secret: ${secret:env:NAME} or ${secret:file:PATH}" in told.stderr
        assert "carry it out" not in told.stderr
        assert told.stderr.endswith(f"nothing was changed. Correct {file} and plan again.\n")
    assert "? Webhook 2 of team 111  id 2  not declared; kept, as it may be" in planned.stdout
    assert not any(request.kind in {"create", "delete"} for request in box.log.requests)


def test_plan_on_a_terminal_is_coloured_and_fits(home: Home) -> None:
    """80 columns, in colour; long values stand below one another."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("/${team.id}/1", "/${team.id}/a/rather/long/path/to/the/endpoint"))
    code, shown = on_terminal(program("plan", str(file)), **home.environ)
    assert code == 0
    assert b"\x1b[32m+ Webhook for events" in shown
    lines = screen_lines(shown)
    assert max(map(len, lines)) <= 80
    assert any(
        line.startswith("        + https://crm.example/111/a/rather/long/path/to/the/endpoint")
        for line in lines
    )


def test_plan_in_a_sandbox(home: Home) -> None:
    """Nobody needs an account to try it."""
    told = home.run("plan", str(home.folder / "doo.yaml"), "--sandbox")
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, "team 111 (Organization 1)")


def test_a_plan_is_written_for_apply(home: Home) -> None:
    """Its file is private, and the way to go on is told."""
    out = home.folder / "plan.json"
    told = home.run("plan", str(home.folder / "doo.yaml"), "--out", str(out))
    digest = json.loads(out.read_text())["digest"]
    assert told.stderr == f"aiodoo: plan {digest[:12]}; carry it out with: aiodoo apply {out}\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert Path(json.loads(out.read_text())["file"]).name == "doo.yaml"


def planned(home: Home, *more: str) -> str:
    """Write a plan, and return its file."""
    out = str(home.folder / "plan.json")
    assert home.run("plan", str(home.folder / "doo.yaml"), "--out", out, *more).returncode == 0
    return out


def test_apply_carries_out_exactly_the_plan(home: Home, box: Sandbox) -> None:
    """It is shown once more, then done; then there is nothing left to do, and a second time sends nothing."""
    out = planned(home)
    told = home.run("apply", out, "--yes", "-o", "jsonl")
    assert told.returncode == 0
    *outcomes, last = [json.loads(line) for line in told.stdout.splitlines()]
    assert ([each["status"] for each in outcomes], last["state"]) == (["applied"] * 4, "finished")
    assert "  + Webhook for events" in told.stderr
    assert told.stderr.splitlines()[-1] == "aiodoo: done: acme: 4 applied; 16 requests."
    assert [item["name"] for item in box.live("111")] == [
        "Webhook 2 of team 111",
        "Webhook for events",
        "Webhook 1 of team 111",
    ]
    assert home.run("plan", str(home.folder / "doo.yaml")).returncode == 0
    before = box.count("create")
    again = home.run("apply", out)
    assert (again.returncode, box.count("create")) == (0, before)
    assert "this plan was applied already: run " in again.stderr
    (run,) = json.loads(home.run("runs", "list", "-o", "json").stdout)
    assert (run["state"], run["command"].split()[0]) == ("finished", "apply")
    assert home.run("runs", "verify").returncode == 0


def test_apply_refuses_what_has_drifted(home: Home, box: Sandbox) -> None:
    """Another list, an edited plan, another account: 1, and nothing is changed; no run is left behind."""
    out = planned(home)
    box.foreign_delete("4")
    told = home.run("apply", out, "--yes")
    assert (told.returncode, box.count("create")) == (1, 0)
    assert "1 of 3 teams are not as they were when the plan was made: 112" in told.stderr
    path = Path(planned(home))
    path.write_text(path.read_text().replace("Webhook for events", "Webhook for orders"))
    assert "another API key" in home.run("apply", str(path), "--sandbox", "--yes").stderr
    assert "is not as it was made" in home.run("apply", str(path), "--yes").stderr
    assert not home.runs.exists() or not list(home.runs.iterdir())


def test_apply_agrees_to_no_more_than_was_said(home: Home, box: Sandbox) -> None:
    """--yes is no consent to deletes, nor to a wider reach; each has an option of its own."""
    home.write(profile("acme", box, 'limits = { per_second = 200, per_day = "none" }\n'))
    out = planned(home, "--prune")
    for options in ((), ("--allow-net-deletes", "2"), ("--allow-net-deletes", "3")):
        told = home.run("apply", out, "--yes", *options)
        assert (told.returncode, box.count("create"), box.count("delete")) == (2, 0, 0)
        assert ("--allow-net-deletes" in told.stderr) == (options[1:] != ("3",))
    assert "--allow-widening" in told.stderr
    told = home.run("apply", out, "--yes", "--allow-net-deletes", "3", "--allow-widening")
    assert told.returncode == 0
    assert [len(box.live(team)) for team in box.teams] == [2, 1, 1]


def test_apply_asks(home: Home, box: Sandbox) -> None:
    """With what the plan deletes in the question; anything but yes changes nothing, and nobody there is 2."""
    out = planned(home, "--prune")
    assert home.run("apply", out).returncode == 2
    assert home.run("apply", out, "--dry-run").returncode == 0
    for answer, expected, creates in ((b"n\n", 2, 0), (b"y\n", 0, 4)):
        code, shown = on_terminal(program("apply", out), answer=answer, **home.environ)
        assert (code, box.count("create")) == (expected, creates)
        assert (
            "3 webhook configurations are deleted without a replacement. Apply this plan? [y/N]"
            in " ".join(" ".join(screen_lines(shown)).split())
        )


def test_apply_of_a_yaml_file_plans_first(home: Home) -> None:
    """Planned, shown and applied in one go; also in a sandbox, where a plan file could not last."""
    told = home.run(
        "apply", str(home.folder / "doo.yaml"), "--sandbox", "--yes", "--prune", "--allow-net-deletes", "3"
    )
    assert told.returncode == 0
    assert "sandbox: 7 applied" in told.stderr
    assert not home.runs.exists()
    wrong = home.run("apply", planned(home), "--prune")
    assert (wrong.returncode, "is made already" in wrong.stderr) == (2, True)


def test_apply_of_a_yaml_file_lists_each_team_once(home: Home, box: Sandbox) -> None:
    """What the plan has read serves the run, whose two lists of what it replaces come later."""
    told = home.run("apply", str(home.folder / "doo.yaml"), "--yes")
    assert (told.returncode, box.count("create")) == (0, 4)
    assert box.count("list") == 3 + 3 * 2


def test_apply_of_a_yaml_file_looks_again_after_its_question(home: Home, box: Sandbox) -> None:
    """What somebody else changes while a person reads the plan is seen before anything is sent."""
    code, shown = on_terminal(
        program("apply", str(home.folder / "doo.yaml")),
        answer=b"y\n",
        meanwhile=lambda: box.foreign_delete("4"),
        **home.environ,
    )
    assert (code, box.count("create")) == (1, 0)
    assert "1 of 3 teams are not as they were when the plan was made: 112" in " ".join(
        " ".join(screen_lines(shown)).split()
    )


def test_apply_of_what_cannot_be_planned_wholly(home: Home, box: Sandbox) -> None:
    """What can be done is done, and the code is 1 all the same: what the file declares is not there."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("teams: all", "teams: [111, 999]").replace("    teams: [111]\n", ""))
    told = home.run("apply", str(file), "--yes")
    assert (told.returncode, box.count("create") > 0) == (1, True)
    assert "team 999: its list could not be read" in told.stderr
    assert told.stderr.endswith(
        "not everything that the file declares was applied; see the problems above.\n"
    )


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_what_cannot_be_read_is_not_nothing_to_do(home: Home, command: str) -> None:
    """Where no change is planned because a team could not be read, the summary says so, and not that all is well."""
    file = home.folder / "doo.yaml"
    file.write_text(DECLARED.replace("teams: all", "teams: [999]").replace("    teams: [111]\n", ""))
    told = home.run(command, str(file), *(["--yes"] if command == "apply" else []))
    assert told.returncode == 1
    assert "Nothing to do" not in told.stdout + told.stderr
    assert "Not everything could be planned: 0 unchanged" in told.stdout + told.stderr


def test_apply_that_is_stopped_goes_on(home: Home, box: Sandbox) -> None:
    """Ctrl-C says how to go on; the same call goes on, and nothing is done twice."""
    home.write(
        profile(
            "acme",
            box,
            'limits = { per_second = 10, per_day = "none" }\nfacts = { list_echoes_scope = true }\n',
        )
    )
    out = planned(home)
    with started(program("apply", out, "--yes"), environ=home.environ) as process:
        wait_for(box, 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "aiodoo: resume it with: aiodoo runs resume " in err
    told = home.run("apply", out, "--yes", "--settle", "1")
    assert told.returncode == 0
    assert "this plan was begun already, and is resumed" in told.stderr
    assert [len(box.live(team)) for team in box.teams] == [3, 2, 2]
    assert home.run("plan", str(home.folder / "doo.yaml")).returncode == 0


def test_the_same_plan_applied_in_two_terminals(home: Home, box: Sandbox) -> None:
    """One carries it out; the other one is told, changes nothing, and leaves the first one's run alone."""
    out = planned(home)
    with (
        started(program("apply", out, "--yes"), environ=home.environ) as one,
        started(program("apply", out, "--yes"), environ=home.environ) as other,
    ):
        said = [process.communicate()[1] for process in (one, other)]
        codes = [one.returncode, other.returncode]
    assert 0 in codes, said
    for code, told in zip(codes, said, strict=True):
        words = (
            "is claimed by the run",
            "is in use by",
            "PlanDrift",
            "not as they were",
            "already",
            "applied",
        )
        assert code in {0, 1} and any(word in told for word in words), told  # noqa: PT018  # shown together
    assert [len(box.live(team)) for team in box.teams] == [3, 2, 2]
    assert box.count("create") == 4
    assert len(list(home.runs.iterdir())) == 1


def test_a_copy_of_a_plan_is_that_plan(home: Home, box: Sandbox) -> None:
    """Killed under one name and gone on with under the other, also with doo away for a second: each change happens once."""
    home.write(profile("acme", box, 'limits = { per_second = 10, per_day = "none" }\n'))
    out = planned(home)
    copy = shutil.copy(out, f"{out}.copy")
    with started(program("apply", out, "--yes", "--allow-widening"), environ=home.environ) as process:
        wait_for(box, 2)
        process.kill()
        process.communicate()
    (run,) = [path.name for path in home.runs.iterdir()]
    box.before("delete", lambda: box.refuse_connections(1.0))
    told = home.run("apply", copy, "--yes", "--allow-widening", "--settle", "1")
    assert (told.returncode, f"was begun already, and is resumed: run {run}" in told.stderr) == (0, True), (
        told.stderr
    )
    requests = box.count()
    told = home.run("apply", out, "--yes", "--allow-widening")
    assert (told.returncode, f"was applied already: run {run}" in told.stderr) == (0, True), told.stderr
    assert box.count() == requests
    assert [len(box.live(team)) for team in box.teams] == [3, 2, 2]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_plan_whose_run_was_given_up_is_no_run_to_go_on_with(
    home: Home, box: Sandbox, *, damaged: bool
) -> None:
    """The same call begins a new run, which is refused as its teams have changed, and not for the old run's sake."""
    home.write(profile("acme", box, 'limits = { per_second = 10, per_day = "none" }\n'))
    out = planned(home)
    with started(program("apply", out, "--yes", "--allow-widening"), environ=home.environ) as process:
        wait_for(box, 2)
        process.kill()
        process.communicate()
    if damaged:
        (journal,) = home.runs.glob("*/journal")
        journal.write_bytes(journal.read_bytes().replace(b"111", b"911"))
    assert home.run("runs", "abandon", "--yes").returncode == 0
    told = home.run("apply", out, "--yes", "--allow-widening")
    assert (told.returncode, "not as they were when the plan was made" in told.stderr) == (1, True)
    assert "abandoned" not in told.stderr


def test_apply_parks_when_the_day_is_spent(home: Home, box: Sandbox) -> None:
    """The code is 3, and it says when to resume."""
    home.write(
        profile(
            "acme",
            box,
            "limits = { per_second = 200, per_day = 22, reserve = 0 }\nfacts = { list_echoes_scope = true }\n",
        )
    )
    told = home.run("apply", planned(home), "--yes")
    assert told.returncode == 3
    assert "it is not finished; resume it, from " in told.stderr


def test_apply_says_what_it_sends(home: Home) -> None:
    """With the file, what was read for the plan is not read again; with the plan, it is compared first, and that is said."""
    file = str(home.folder / "doo.yaml")
    out = planned(home, "--var", "host=crm2.example")
    told = home.run("apply", out, "--yes", "-o", "jsonl")
    said = re.search(r"Cost: (\d+) requests", told.stderr)
    more = re.search(r"acme: (\d+) requests more showed that nothing had changed", told.stderr)
    assert said is not None, told.stderr
    assert more is not None, told.stderr
    assert int(said[1]) == json.loads(told.stdout.splitlines()[-1])["requests"] + int(more[1])
    # A list from within a second of another run's changes is read again, as hosts' clocks differ by as much.
    time.sleep(1.1)
    told = home.run("apply", file, "--yes", "-o", "jsonl")
    said = re.search(r"Cost: (\d+) requests", told.stderr)
    assert said is not None, told.stderr
    assert int(said[1]) == json.loads(told.stdout.splitlines()[-1])["requests"]
    assert "more showed" not in told.stderr
