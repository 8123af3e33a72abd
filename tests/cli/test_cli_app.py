"""What is common to all commands: help, version, usage errors, and the extra that brings it all."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from cli_home import new_home, profile
from cli_process import installed, program, run, run_code, started

import aiodoo
from aiodoo.cli.app import app
from aiodoo.cli.examples import EXAMPLES
from aiodoo.sandbox import serve

HELP = [(), ("--help",), ("demo", "--help"), ("sandbox", "--help"), ("webhooks", "list", "--help")]

WITHOUT = """
import sys
sys.modules[{name!r}] = None
sys.argv = ["aiodoo", "--version"]
from aiodoo.cli import main
sys.exit(main())
"""

INTERRUPTED = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from aiodoo.cli import main
sys.exit(main())
"""

LOADED = """
import sys
sys.argv = ["aiodoo", *{arguments!r}]
from aiodoo.cli import main
assert main() == 0
print([name for name in ("aiohttp", "asyncio", "msgspec", "cattrs", "aiodoo.session", "aiodoo.bulk", "aiodoo.operations") if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", HELP)
def test_help_is_light(arguments):
    """Every help comes without loading aiohttp, asyncio or the Session."""
    told = run_code([sys.executable, "-c", LOADED.format(arguments=arguments)])
    assert told.stderr.strip() == "[]"


def test_a_list_loads_nothing_that_changes_something():
    """To list a team takes the Session, but neither runs nor operations, which are half of aiodoo's modules."""
    arguments = ("webhooks", "list", "--team", "111", "--sandbox")
    told = run_code([sys.executable, "-c", LOADED.format(arguments=arguments)])
    assert told.stderr.splitlines()[-1] == "['aiohttp', 'asyncio', 'msgspec', 'cattrs', 'aiodoo.session']"


def test_help_documents_exit_codes_and_the_options_of_every_command_once():
    """The program's help explains them; that of a command names the options, and says where they are explained."""
    whole = run("--help").stdout
    words = " ".join(whole.split())
    options = set(
        re.findall(
            r"^│ (--[a-z-]+)(?: -[a-z])? ", whole.partition("Options of every command")[2], re.MULTILINE
        )
    )
    assert {"--profile", "--output", "--dry-run", "--verbose"} <= options
    for command in (("demo",), ("webhooks",), ("webhooks", "list")):
        told = run(*command, "--help").stdout
        before, _, named = " ".join(told.split()).partition("Options of every command: ")
        assert options == set(re.findall(r"--[a-z-]+", named))
        assert named.endswith("`aiodoo help` explains them, and the exit codes.")
        assert "--all-profiles" not in before
    codes = (
        "0 done; 1 failed; 2 wrong usage, or not agreed; 3 parked until the quota has room; 4 changes are pending, with plan --exit-code; "
        "130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP"
    )
    assert codes in words


def commands_of(app, *before):
    """Return the words of all commands, and of those in groups."""
    for name in app:
        if not name.startswith("-"):
            yield (*before, name)
            yield from commands_of(app[name], *before, name)


COMMANDS = [*commands_of(app)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_has_examples(words):
    """They fit 80 columns, so that they can be copied, and are understood as they are."""
    told = run(*words, "--help").stdout
    examples = re.findall(r"^  (aiodoo .*)$", told.partition("\nExamples:\n")[2], re.MULTILINE)
    assert examples
    for example in examples:
        assert len(example) < 78
        arguments = shlex.split(example.partition(" > ")[0])[1:]
        assert arguments[: len(words)] == list(words)
        app.meta.parse_args(arguments, exit_on_error=False, print_error=False)


def test_every_example_is_of_a_command():
    """None is left of a command that is gone."""
    assert set(EXAMPLES) <= {" ".join(words) for words in COMMANDS}


def test_verbose_prints_requests_and_waits_and_no_secret():
    """`-v` says on standard error what is sent, how long each answer took, and what was waited for."""
    with new_home() as home, serve(organizations=1, webhooks_per_team=2, plan=None, echo_scope=True) as box:
        home.write(profile("acme", box))
        quiet = home.run("webhooks", "list")
        told = home.run("webhooks", "list", "-v")
        assert (quiet.stderr, told.stdout) == ("", quiet.stdout)
        assert re.search(r"^aiodoo: RequestSent kind=list team_id=111 attempt=1$", told.stderr, re.MULTILINE)
        assert re.search(
            r"^aiodoo: Answered kind=list .*status=200 seconds=\d+\.\d{3} ", told.stderr, re.MULTILINE
        )
        moved = home.run(
            "move-host", "crm.example", "b.example", "--yes", "--verbose", "--log-format", "json"
        )
        assert "debug" in {json.loads(line)["level"] for line in moved.stderr.splitlines()}
        for secret in (box.api_key, box.client_secret):
            assert secret not in told.stderr + moved.stderr


def test_help_names_commands():
    """The program without arguments lists its commands."""
    told = run().stdout
    assert "demo" in told
    assert "sandbox" in told


def test_help_breaks_lines_at_the_width_only():
    """What the source has on several lines is one paragraph, as wide as the terminal."""
    told = run("runs", "resume", "--help").stdout
    assert (
        "profiles, that were interrupted, or parked until now. If there is none, the exit"
        in told.splitlines()
    )
    assert "secret for the webhook" in told


@pytest.mark.parametrize("words", [(), ("webhooks",), ("runs", "resume")])
def test_help_of_a_command_by_the_command_help(words):
    """`aiodoo help X` prints what `aiodoo X --help` does."""
    told = run("help", *words)
    assert (told.returncode, told.stdout, told.stderr) == (0, run(*words, "--help").stdout, "")


@pytest.mark.parametrize("words", [("nosuch",), ("webhooks", "nosuch"), ("plan", "doo.yaml")])
def test_help_of_no_command(words):
    """`aiodoo help X` says so if there is no command X, in place of the help of something else."""
    told = run("help", *words)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith(f'aiodoo: error: Unknown command "{words[-1]}".')
    assert told.stderr.endswith(f" See: {' '.join(('aiodoo', *words[:-1]))} --help\n")


def test_help_lists_every_command_in_one_group():
    """No command is left out of the groups, nor in two of them."""
    told = run("--help").stdout.partition("Options of every command")[0]
    listed = re.findall(r"^│ ([a-z-]+)  ", told, re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    assert {"login", "webhooks", "move-host", "listen", "help"} < set(listed)
    assert told.index("─ Account ") < told.index("─ Many changes ") < told.index("─ This program ")


def test_an_unknown_command_is_answered_briefly():
    """A mistyped command is answered with the one that was meant, and not with the first few of all."""
    assert (
        run("webhook").stderr
        == 'aiodoo: error: Unknown command "webhook". Did you mean "webhooks"? See: aiodoo --help\n'
    )


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option):
    """`--version` prints the package's version and nothing else."""
    told = run_code(installed(option))
    assert (told.returncode, told.stdout.strip(), told.stderr) == (0, aiodoo.__version__, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("demmo",),
        ("demo", "--organisations", "3"),
        ("demo", "--organizations", "0"),
        ("demo", "--organizations", "many"),
        ("demo", "--per-second", "0"),
        ("demo", "--per-second", "-1"),
        ("demo", "--per-second", "nan"),
        ("demo", "--per-second", "inf"),
        ("demo", "3"),
        ("sandbox", "--port", "65536"),
        ("sandbox", "--port", "-1"),
        ("sandbox", "--per-day", "0"),
        ("sandbox", "--webhooks", "-1"),
    ],
)
def test_usage_error(arguments):
    """Wrong usage is told in one line on standard error, which names the help to look at; the exit code is 2."""
    told = run(*arguments)
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (2, "", 1)
    assert told.stderr.startswith("aiodoo: error: ")
    assert told.stderr.endswith(" --help\n")


@pytest.mark.parametrize("option", [("--log-format", "json"), ("--log-format=json",)])
def test_usage_error_in_json_lines(option):
    """Also wrong usage is a JSON line, if that is what standard error is to get."""
    told = run("webhooks", "list", "--nope", *option)
    line = json.loads(told.stderr)
    assert (told.returncode, line["level"], "aiodoo webhooks list --help" in line["message"]) == (
        2,
        "error",
        True,
    )


@pytest.mark.parametrize("name", ["cyclopts", "rich"])
def test_missing_extra(name):
    """Without the extra `cli` one line says how to get it, and the exit code is 2."""
    told = run_code([sys.executable, "-c", WITHOUT.format(name=name)])
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.splitlines() == [f"aiodoo's command line needs {name}: pip install 'aiodoo[cli]'"]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("sandbox",), ("demo", "--organizations", "1", "--per-second", "500")]
)
def test_reader_that_left(arguments):
    """When nobody reads the output any more, the program ends with 1 and says nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with started(installed(*arguments), stdout=writing) as process:
            _, told = process.communicate()
    finally:
        os.close(writing)
    assert process.returncode == 1
    assert not [line for line in told.splitlines() if line.startswith(("Traceback", "Exception", "aiodoo:"))]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("completion", "bash"),
        ("webhooks", "list", "--sandbox"),
        ("webhooks", "list", "--sandbox", "-o", "jsonl"),
        ("export", "--sandbox"),
    ],
)
def test_no_room_for_the_output(arguments):
    """When a full disk takes no more of the output, one line says so, and the exit code is 1."""
    with Path("/dev/full").open("w") as full, started(program(*arguments), stdout=full.fileno()) as process:
        _, told = process.communicate()
    assert (process.returncode, told) == (
        1,
        "aiodoo: error: not everything could be written (No space left on device).\n",
    )


def test_no_room_for_what_is_said():
    """When standard error takes no more, such as a log on a full disk, the work goes on all the same."""
    move = ("move-host", "crm.example", "crm2.example", "--sandbox", "--yes", "-o", "jsonl")
    with Path("/dev/full").open("w") as full, started(program(*move), stderr=full.fileno()) as process:
        out, _ = process.communicate()
    assert (process.returncode, len(out.splitlines())) == (0, 6 + 1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("webhooks", "list", "--sandbox"), 0),
        (("webhooks", "delete", "1", "--team", "111", "--sandbox"), 2),
        (("login",), 1),
    ],
)
def test_closed_streams(arguments, code):
    """Started with its streams closed, as some daemons do it, a command ends as it would without a terminal."""
    with tempfile.TemporaryDirectory() as home:
        closed = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", *installed(*arguments)]
        assert run_code(closed, HOME=home, XDG_CONFIG_HOME=home, XDG_STATE_HOME=home).returncode == code


def test_ctrl_c_while_loading():
    """Ctrl-C before a command has begun ends the program without a traceback."""
    told = run_code([sys.executable, "-c", INTERRUPTED])
    assert (told.returncode, told.stdout, told.stderr) == (-signal.SIGINT, "", "")


def test_entry_point():
    """The installed program `aiodoo` is the same as `python -m aiodoo`."""
    told = run_code(installed("--help"))
    assert (told.returncode, told.stdout) == (0, run_code([sys.executable, "-Im", "aiodoo", "--help"]).stdout)
    assert told.stdout == run("--help").stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("help webhook", 'Unknown command "webhook". Did you mean "webhooks"? See: aiodoo --help'),
        ("help webhooks lst", 'Unknown command "lst". Did you mean "list"?'),
        ("help webhooks disable", "doo cannot disable a webhook configuration"),
        ("whoami --ouput json", "Unknown option: --ouput. Did you mean --output? See: aiodoo whoami --help"),
        ("webhooks list --profil=a", "Unknown option: --profil. Did you mean --profile?"),
        ("webhooks list --tema 111", "Unknown option: --tema. Did you mean --team?"),
        ("webhooks list --team 111,112", "Invalid value \"['111,112']\" for --team. '111,112' is no id"),
        (
            "move-host a.example A.example",
            "the old host and the new one are both a.example. Nothing was sent.",
        ),
        ("webhooks list more", 'Unexpected argument "more". See: aiodoo webhooks list --help'),
        ("webhooks show", "WEBHOOK-ID is missing. See: aiodoo webhooks show --help"),
        ("move-host a.example", "NEW is missing. See: aiodoo move-host --help"),
        ("webhooks update 1", "--team is missing. See: aiodoo webhooks update --help"),
    ],
)
def test_wrong_usage_is_told_in_the_words_of_the_usage_line(command, said):
    """What is missing or too much has the name that help gives it, and `help` knows what was meant as the command does."""
    told = run(*shlex.split(command))
    assert (told.returncode, told.stderr.startswith(f"aiodoo: error: {said}")) == (2, True), told.stderr
