"""How a command's end becomes an exit code, and signals its cancellation."""

from __future__ import annotations

import signal
import sys

import pytest
from cli_process import SHOW_CURSOR, is_gone, on_terminal, run_code, started

from aiodoo import TeamClaimed
from aiodoo.cli.terminal.process import line

RUN = "import sys, asyncio, signal, os\nimport aiodoo\nfrom aiodoo.cli.terminal.process import run\n{}\nsys.exit(run(command()))\n"

FAILING = "async def command():\n    raise {}"

STUBBORN = """
async def command():
    print("begun", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("heard", flush=True)
"""

TIDY = """
async def command():
    print("begun", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.01)
        print("tidied up", flush=True)
"""


def code(source: str) -> list[str]:
    """Return the command line that runs a command given as source."""
    return [sys.executable, "-c", RUN.format(source)]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("aiodoo.ConfigError('the API key\\nis empty')", "aiodoo: error: the API key is empty"),
        ("aiodoo.DooError()", "aiodoo: error: DooError"),
        (
            "aiodoo.BulkFailed('2 of 9 operations were not applied', [aiodoo.DooError('one'), aiodoo.DooError('two')])",
            "aiodoo: error: 2 of 9 operations were not applied; the first of them: one",
        ),
    ],
)
def test_error_is_one_line(raised, told):
    """An error of aiodoo is one readable line on standard error, and the exit code is 1."""
    ended = run_code(code(FAILING.format(raised)))
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", told + "\n")


def test_bulk_failure_names_operation():
    """Of a run that failed, the line names the first operation and how it ended."""
    source = """
async def command():
    error = aiodoo.NotFound("not found", status=404)
    error.add_note("delete in team 111: failed, doo did not delete 7")
    raise aiodoo.BulkFailed("1 of 1 operations were not applied", [error])
"""
    assert "delete in team 111: failed, doo did not delete 7" in run_code(code(source)).stderr


def test_warnings_are_told():
    """What aiodoo logs as a warning is a line on standard error; what is less is not shown."""
    source = """
import logging
async def command():
    logging.getLogger("aiodoo.bulk").info("not %s", "this")
    logging.getLogger("aiodoo.bulk").warning("but %s", "that")
    return 0
"""
    ended = run_code(code(source))
    assert (ended.returncode, ended.stderr) == (0, "aiodoo: warning: but that\n")


def test_other_errors_keep_their_traceback():
    """What is no error of aiodoo is a bug, and shows where it is."""
    ended = run_code(code(FAILING.format("ZeroDivisionError")))
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_first_signal_lets_it_tidy_up(number, expected):
    """The first signal is a cancellation: the command tidies up, waits included, and then ends."""
    with started(code(TIDY)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (expected, "tidied up\n", "aiodoo: stopped.\n")


def test_what_takes_longer_is_explained():
    """Whoever stopped a command that still has something to tidy up is told so after a second."""
    with started(code(TIDY.replace("0.01", "1.5"))) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    told = "aiodoo: stopping; waiting for the answers to requests in flight.\naiodoo: stopped.\n"
    assert (process.returncode, err) == (130, told)


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_second_signal_ends_at_once(number, expected):
    """A second signal ends even a command that does not let itself be cancelled."""
    with started(code(STUBBORN)) as process:
        assert process.stdout is not None
        for told in ("begun\n", "heard\n"):
            assert process.stdout.readline() == told
            process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == expected
    assert err == ""
    assert is_gone(process)


def test_second_signal_shows_the_cursor():
    """On a terminal, a command that is ended at once does not leave the cursor hidden."""
    ended, shown = on_terminal(code(STUBBORN), stop_at=[b"begun", b"heard"])
    assert ended == 130
    assert SHOW_CURSOR in shown


def test_signal_after_the_end():
    """Ctrl-C in the instant between a command's end and the process's is no reason for a traceback."""
    source = (
        "async def command():\n    return 0\nassert run(command()) == 0\nos.kill(os.getpid(), signal.SIGINT)"
    )
    ended = run_code(code(source))
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_ignored_signals_stay_ignored():
    """A job that was started to ignore Ctrl-C goes on ignoring it."""
    source = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
async def command():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.01)
    return 0
"""
    assert run_code(code(source)).returncode == 0


def test_cancellation_from_inside_is_no_signal():
    """A cancellation that no signal asked for is not passed off as one."""
    ended = run_code(code(FAILING.format("asyncio.CancelledError")))
    assert ended.returncode == 1
    assert "stopped" not in ended.stderr


@pytest.mark.parametrize("alive", [True, False])
def test_a_claim_is_told_with_what_ends_it(*, alive: bool) -> None:
    """A running run is waited for or stopped; resume and abandon are offered only for a run that no process works on."""
    journal = "/home/somebody/.local/state/aiodoo/runs/20261130-move-host-1234/journal"
    told = line(
        TeamClaimed(team_id="111", run="1", journal=journal, alive=alive, who="a@b", command="move-host")
    )
    assert ("wait until it is finished" in told) is alive
    assert ("runs show 20261130-move-host-1234 --follow" in told) is alive
    assert ("runs resume" in told) is ("runs abandon" in told) is (not alive)
