"""JSON for scripts: its schema, `--fields`, and outcomes while a run goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cli_home import Home, wait_for
from cli_process import program, started
from cli_records import records_of
from cyclopts import App
from jsonschema import Draft202012Validator
from test_cli_every_command import IN_A_BOX, OF_PROFILES, OF_RUNS, name_of

from aiodoo.cli.app import app
from aiodoo.cli.records.kinds import KINDS
from aiodoo.cli.records.printed import PRINTED, SCHEMA
from aiodoo.cli.records.schema import schema, written
from aiodoo.sandbox import Fault, Sandbox

WITHOUT_RECORDS = {
    "login",
    "quota reset",
    "profiles use",
    "profiles remove",
    "runs abandon",
    "runs delete",
    "worker",
    "demo",
    "sandbox",
    "help",
    "schema",
    "completion",
}
"""Commands that print no records: what they have done is said on standard error, or their output has a form of its own."""

STREAMS = {"listen", "trigger"}
"""Commands with records whose tests are in test_cli_listen.py."""

MOVE = ("move-host", "crm.example", "crm2.example", "--yes")


def names_of(commands: App, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Return the names of all commands."""
    for name in commands:
        if not name.startswith("-"):
            command, words = commands[name], (*before, name)
            if command.default_command is not None:
                yield " ".join(words)
            yield from names_of(command, words)


def test_every_command_says_what_it_prints() -> None:
    """Each command either has records, and is run by a test that looks at them, or is known to have none."""
    known = set(names_of(app))
    assert known == PRINTED.keys() | WITHOUT_RECORDS
    run = {name_of(command) for command, _ in (*IN_A_BOX, *OF_RUNS, *OF_PROFILES)}
    assert run | STREAMS == PRINTED.keys()


def test_the_shipped_schema_is_up_to_date() -> None:
    """Write it anew with `python -m aiodoo.cli.records.schema` when a kind has changed."""
    Draft202012Validator.check_schema(schema())
    assert SCHEMA.read_bytes() == written()
    kinds = {kind for printed in PRINTED.values() for kind in (*printed.kinds, *printed.dry)}
    assert kinds == {kind.__name__.lower() for kind in KINDS}


def test_the_schema_is_printed(home: Home) -> None:
    """`aiodoo schema` prints all of it, with a name that of one kind; a wrong name is told."""
    assert json.loads(home.run("schema").stdout) == schema()
    one = json.loads(home.run("schema", "webhook").stdout)
    assert (one["version"], one["$ref"]) == (1, "#/$defs/Webhook")
    wrong = home.run("schema", "webhok")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "there are account, change," in wrong.stderr


def test_a_dry_run_prints_changes_and_a_forecast(home: Home) -> None:
    """As a list for every command that changes something, also where it would print one record."""
    (home.folder / "doo.yaml").write_text(
        'aiodoo: 1\nmanage: {name_prefix: n}\nteams: ["111"]\nwebhooks:\n- name: n\n  hooks:\n'
        '  - {type: event_created, endpoint: "https://a.example/"}\n'
    )
    given = {
        "webhooks create": ("111", "--name", "n", "--hook", "event_created=https://a.example/"),
        "move-host": MOVE[1:],
        "apply": (str(home.folder / "doo.yaml"),),
    }
    for command, words in given.items():
        for form in ("json", "jsonl"):
            told = home.run(*command.split(), *words, "--dry-run", "-o", form)
            found = records_of(command, told.stdout, form, dry=True)
            assert [each["kind"] for each in found[:1]] == ["change"], told.stderr
            assert found[-1]["kind"] == PRINTED[command].dry[-1]


def test_what_is_shown_can_be_created(home: Home) -> None:
    """What tells the webhook's own record apart from its content is left out of what is read."""
    shown = home.run("webhooks", "list", "--team", "111", "-o", "json").stdout
    webhook = records_of("webhooks list", shown)[0] | {"authentication": None}
    typed = json.dumps({name: value for name, value in webhook.items() if value is not None})
    told = home.run("webhooks", "create", "112", "--file", "-", "-o", "json", typed=typed)
    assert (told.returncode, told.stderr) == (0, "")
    (made,) = records_of("webhooks create", told.stdout)
    listed = records_of("webhooks list", home.run("webhooks", "list", "--team", "112", "-o", "json").stdout)
    assert [each["name"] for each in listed if each["webhook_id"] == made["webhook_id"]] == [webhook["name"]]


def test_fields_of_json(home: Home) -> None:
    """They are kept in their places and in the order that was asked for, also inside of lists."""
    told = home.run(
        "webhooks", "list", "-o", "jsonl", "--fields", "webhook_id,hooks.endpoint,team_id,event_id"
    )
    for line in told.stdout.splitlines():
        record = json.loads(line)
        assert list(record) == ["webhook_id", "hooks", "team_id", "event_id"]
        assert record["event_id"] is None
        assert all(list(hook) == ["endpoint"] for hook in record["hooks"])
    one = json.loads(home.run("whoami", "-o", "json", "--fields", "credentials.api_key,profile").stdout)
    assert one == [{"credentials": {"api_key": one[0]["credentials"]["api_key"]}, "profile": "acme"}]


def test_fields_of_a_table(home: Home) -> None:
    """They are its columns; what a list holds are lines of a cell."""
    told = home.run("webhooks", "list", "--team", "111", "--fields", "name,hooks.type")
    title, first, *_ = told.stdout.splitlines()
    assert title.split("  ")[0] == "NAME"
    assert title.endswith("HOOKS.TYPE")
    assert re.fullmatch(r"Webhook \d of team 111  +\w+", first)
    markdown = home.run("webhooks", "list", "--team", "111", "--fields", "name", "-o", "markdown").stdout
    assert markdown.splitlines()[:2] == ["| Name |", "| --- |"]


def test_fields_leave_other_kinds_out(home: Home) -> None:
    """Of a command that changes something the outcomes stay, and the run is left out."""
    told = home.run(*MOVE, "-o", "json", "--fields", "status,webhook_id")
    assert [list(each) for each in json.loads(told.stdout)] == [["status", "webhook_id"]] * 4


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            "webhooks list --fields team",
            "no webhook has a field 'team'; there are authentication, description,",
        ),
        ("webhooks list --fields hooks.url", "hooks.endpoint, hooks.method, hooks.origin, hooks.type."),
        ("webhooks list --fields name.first", "no webhook has a field 'name.first'"),
        ("whoami --fields ,", "no account has a field ''"),
        (
            "move-host a.example b.example --yes --fields old",
            "no outcome has a field 'old'; there are both_live,",
        ),
        ("move-host a.example b.example --dry-run --fields old", "no change has a field 'old'"),
        ("completion bash --fields name", "aiodoo completion prints no records"),
    ],
)
def test_a_field_that_is_not_there_is_refused(home: Home, box: Sandbox, words: str, named: str) -> None:
    """With the names that there are, before anything is sent."""
    told = home.run(*words.split())
    assert (told.returncode, told.stdout) == (2, "")
    assert named in told.stderr
    assert box.log.total == 0


def test_outcomes_come_while_the_run_goes_on(home: Home, box: Sandbox) -> None:
    """Each is a line as soon as its operation has ended, and the run is the last line, whose end they add up to."""
    box.script(Fault("slow", on="create", team="112", seconds=4.0))
    with started(program(*MOVE, "-o", "jsonl"), environ=home.environ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert box.count("delete") == 2, "only the other team is done"
        whole = [first, *process.stdout]
        assert process.wait() == 0
    *outcomes, run = records_of("move-host", "".join(whole), "jsonl")
    assert {each["kind"] for each in outcomes} == {"outcome"}
    assert sorted(each["index"] for each in outcomes) == [0, 1, 2, 3]
    assert (run["kind"], run["state"], run["done"], run["counts"]) == ("run", "finished", 4, {"applied": 4})
    assert {each["run_id"] for each in outcomes} == {run["run_id"]}


def test_a_stopped_run_prints_how_far_it_has_come(home: Home, box: Sandbox) -> None:
    """After Ctrl-C there are all outcomes and the run, which says that it was stopped, and what is begun."""
    box.script(Fault("slow", on="create", team="112", seconds=4.0))
    with started(program(*MOVE, "-o", "jsonl"), environ=home.environ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        whole = [first, *process.stdout]
        assert process.wait() == 130
    *outcomes, run = records_of("move-host", "".join(whole), "jsonl")
    assert [each["index"] for each in outcomes if each["ended"]] == [0, 1]
    assert (len(outcomes), run["state"], run["done"]) == (4, "stopped", 2)
    begun = [each for each in outcomes if not each["ended"] and each["status"] != "not_started"]
    assert run["begun"] == len(begun) > 0
    (listed,) = records_of("runs list", home.run("runs", "list", "-o", "json").stdout)
    assert listed["begun"] == run["begun"]
    resumed = home.run("runs", "resume", run["run_id"], "--settle", "1")
    assert f"2 of 4 operations done, {run['begun']} begun" in resumed.stderr


def test_a_resumed_run_prints_all_its_outcomes(home: Home) -> None:
    """Also those of an earlier process, and a finished one that is reported again."""
    assert home.run(*MOVE).returncode == 0
    (run,) = records_of("runs list", home.run("runs", "list", "-o", "json").stdout)
    told = home.run("runs", "resume", run["run_id"], "-o", "jsonl")
    *outcomes, again = records_of("runs resume", told.stdout, "jsonl")
    assert (len(outcomes), again) == (4, run)
    shown = home.run("runs", "show", "-o", "jsonl")
    *lines, last = records_of("runs show", shown.stdout, "jsonl")
    assert (len(lines), last) == (4, run)


def test_a_reader_that_leaves_does_not_stop_the_run(home: Home, box: Sandbox) -> None:
    """Nor does a full disk: it goes on to its end, without a traceback; the exit code is 1, as something is not written."""
    box.script(Fault("slow", on="create", team="112", seconds=1.0))
    reading, writing = os.pipe()
    with started(program(*MOVE, "-o", "jsonl"), environ=home.environ, stdout=writing) as process:
        os.close(writing)
        assert os.read(reading, 1) == b"{"
        os.close(reading)
        _, said = process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "acme: 4 applied" in said
    with Path("/dev/full").open("w") as full:
        back = ("move-host", "crm2.example", "crm.example", "--yes", "-o", "jsonl")
        with started(program(*back), environ=home.environ, stdout=full.fileno()) as process:
            _, said = process.communicate()
    assert (process.returncode, "acme: 4 applied" in said) == (1, True)
    assert "not everything could be written" in said
    assert home.run(*MOVE).returncode == 0
    assert all("crm2.example" in json.dumps(item) for team in box.teams for item in box.live(team))


def test_a_reader_that_takes_nothing_does_not_halt_the_run(home: Home, box: Sandbox) -> None:
    """As a pager on its first page: the run goes on to its end, and all is printed, once, when the reader goes on."""
    box.script(Fault("slow", on="create", team="112", seconds=2.0))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    room = 0
    with suppress(BlockingIOError):
        while True:
            room += os.write(writing, b"\n" * 4096)
    os.set_blocking(writing, True)
    with started(program(*MOVE, "-o", "jsonl"), environ=home.environ, stdout=writing) as process:
        os.close(writing)
        wait_for(box, 4, "delete")
        with os.fdopen(reading) as pipe:
            whole = pipe.read()
        _, said = process.communicate()
    assert (process.returncode, "acme: 4 applied" in said) == (0, True), said
    *outcomes, run = records_of("move-host", whole[room:], "jsonl")
    assert sorted(each["index"] for each in outcomes) == [0, 1, 2, 3]
    assert run["state"] == "finished"


def test_nothing_to_change_is_an_empty_list(home: Home) -> None:
    """A command that has nothing to do prints a list without records, or no line."""
    move = ("move-host", "nowhere.example", "crm2.example", "--yes", "-o")
    assert json.loads(home.run(*move, "json").stdout) == []
    assert home.run(*move, "jsonl").stdout == ""
    assert json.loads(home.run("runs", "resume", "-o", "json").stdout) == []


def test_the_examples_with_jq_work(home: Home) -> None:
    """Each of the documentation's commands with jq, where jq is installed."""
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    examples = re.findall(r"^aiodoo (.+?) \| jq (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(examples) >= 4
    if shutil.which("jq") is None:
        return
    for command, query in examples:
        told = home.run(*command.split(), "--sandbox")
        assert told.returncode == 0, told.stderr
        asked = ["bash", "-c", f"jq {query}"]
        ended = subprocess.run(asked, input=told.stdout, capture_output=True, text=True, check=False)  # noqa: S603
        assert (ended.returncode, ended.stderr, ended.stdout != "") == (0, "", True), command


@pytest.mark.parametrize("command", ["list", "show"])
def test_what_doo_lists_does_not_take_the_place_of_a_records_own_keys(
    home: Home, box: Sandbox, command: str
) -> None:
    """Whatever doo may list besides, a script finds the id, the team and the kind where the schema has them."""
    named = {"kind": "order", "profile": "p", "webhook_id": "9", "colour": "red"}
    hooks = [{"type": "event_created", "endpoint": "https://a.example/"}]
    webhook_id = box.add_webhook("111", {"name": "of many fields", "hooks": hooks, **named})
    words = ("list", "--name", "of many*") if command == "list" else ("show", webhook_id)
    told = home.run("webhooks", *words, "--team", "111", "-o", "json")
    assert told.returncode == 0, told.stderr
    (record,) = records_of(f"webhooks {command}", told.stdout)
    own = {key: record[key] for key in ("kind", "profile", "team_id", "webhook_id")}
    assert own == {"kind": "webhook", "profile": "acme", "team_id": "111", "webhook_id": webhook_id}
    assert next(iter(record)) == "kind"
    assert record["colour"] == "red"
