"""`aiodoo demo`: what a newcomer sees, that it tells the truth, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import suppress
from random import Random

import pytest
from cli_process import (
    HIDE_CURSOR,
    SHOW_CURSOR,
    is_gone,
    is_listening,
    on_terminal,
    program,
    read_url,
    run,
    started,
)

QUICK = ("demo", "--organizations", "2", "--per-second", "500")
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
STEPS = ("list", "create", "move", "delete", "verify")


@pytest.fixture(scope="module")
def ended() -> subprocess.CompletedProcess[str]:
    """A quick demo that was piped and has ended."""
    return run(*QUICK)


def rows(table: str) -> dict[str, list[str]]:
    """Return the numbers of each row of the closing table."""
    found = re.findall(r"^  (\w+(?: \w+)?) {2,}(.*)$", table, re.MULTILINE)
    return {name: re.findall(r"(?<!\S)[\d.]+(?!\S)", rest) for name, rest in found}


def test_ends_verified(ended):
    """A few organizations end with 0, the closing table and the verdict on standard output."""
    assert ended.returncode == 0
    assert "Verified" in ended.stdout
    table = rows(ended.stdout)
    assert tuple(table)[1:6] == STEPS
    assert table["list"][:2] == ["20", "3"]
    assert table["create"][:3] == ["2", "4", "4"]
    assert table["move"][:3] == ["22", "50", "50"]
    assert table["delete"][:3] == ["2", "6", "6"]
    assert table["verify"][:2] == ["20", "3"]
    assert table["changes"][:2] == ["60", "60"]
    assert table["walks"][0] == "6"
    assert table["token"] == ["1"]
    assert table["in all"][0] == "67"
    assert "429s: 0." in ended.stdout


def test_says_what_it_uses(ended):
    """It names the box's address, its size, its plan and the limits it uses, before anything happens."""
    told = ended.stderr
    assert "http://127.0.0.1:" in told
    assert "Organizations: 2" in told
    assert "500 requests a second (sliding log)" in told
    assert "Limits(per_second=500, per_day=None)" in told


def test_piped_output_is_plain(ended):
    """Piped, each step is one line on standard error, and there is no escape code anywhere."""
    assert "\x1b" not in ended.stdout + ended.stderr
    assert len(ended.stderr.splitlines()) == 4 + len(STEPS)
    assert [line.split()[1] for line in ended.stderr.splitlines() if line[:1].isdigit()] == list(STEPS)
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_plain_ascii():
    """It can be printed where only ASCII can."""
    told = run(*QUICK, PYTHONIOENCODING="ascii")
    assert told.returncode == 0
    assert (told.stdout + told.stderr).isascii()


@pytest.mark.parametrize(
    ("step", "number", "code"), [(step, *SIGNALS[step % 2]) for step in range(len(STEPS))]
)
def test_stops_in_every_step(step, number, code):
    """Stopped at a random moment of any step, it leaves no traceback, no process and no open port.

    Whoever is late in the last step may find that it has just ended well, or meet it on its way out.
    """
    with started(program("demo", "--organizations", "4", "--per-second", "100")) as process:
        url = read_url(process)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("One aiodoo.Session" if step == 0 else f"{step} "):
                break
        with suppress(subprocess.TimeoutExpired):
            process.wait(Random(f"{step} {number}").uniform(0.0, 0.1))
        process.send_signal(number)
        out, err = process.communicate()
    if process.returncode == code:
        assert err.splitlines()[-1] == "aiodoo: stopped."
    else:
        assert process.returncode in {0, -number}
        assert "Verified" in out
    assert "Traceback" not in err
    assert "never retrieved" not in err
    assert "\u2501" not in err
    assert is_gone(process)
    assert not is_listening(url)


def test_stops_for_sure():
    """Stopped long before it could have ended, it ends with 130 and prints no table."""
    with started(program("demo", "--per-second", "1")) as process:
        read_url(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "aiodoo: stopped."


def test_terminal_shows_bars():
    """On a terminal there are bars in colour while it goes on; in the end they make room for the table."""
    code, shown = on_terminal(program(*QUICK))
    assert code == 0
    assert "\u2501" in shown.decode()
    assert b"\x1b[36m" in shown or b"\x1b[32m" in shown
    assert b"Verified" in shown
    assert shown.rindex(HIDE_CURSOR) < shown.rindex(SHOW_CURSOR)


@pytest.mark.parametrize("step", ["1 list", "3 move"])
def test_terminal_after_ctrl_c(step):
    """After Ctrl-C the bars show how far it came, and the cursor is there again."""
    code, shown = on_terminal(program("demo"), stop_at=[f"\x1b[1m{step}".encode()])
    assert code == 130
    assert shown.rindex(HIDE_CURSOR) < shown.rindex(SHOW_CURSOR)
    left = shown[shown.rindex(HIDE_CURSOR) :].decode()
    assert step in left
    assert left.rstrip().endswith("aiodoo: stopped.")
    assert "Traceback" not in left


def test_no_color():
    """NO_COLOR leaves the bars and takes the colours."""
    code, shown = on_terminal(program(*QUICK), NO_COLOR="1")
    assert code == 0
    assert "\u2501" in shown.decode()
    assert not re.search(rb"\x1b\[(?:3[0-8]|9[0-7])", shown)


def test_dumb_terminal():
    """A terminal that can do nothing gets the lines of a pipe."""
    code, shown = on_terminal(program(*QUICK), TERM="dumb")
    assert code == 0
    assert b"\x1b" not in shown
    assert b"\r\n3 move " in shown
