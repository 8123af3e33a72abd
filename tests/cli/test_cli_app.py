"""What is common to all commands: help, version, usage errors, and the extra that brings it all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from cli_process import program, run, run_code, started

import aiodoo

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
print([name for name in ("aiohttp", "asyncio", "msgspec", "cattrs", "aiodoo.session") if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", HELP)
def test_help_is_light_and_documents_exit_codes(arguments):
    """Every help text says what the exit codes mean, and comes without loading aiohttp, asyncio or the Session."""
    told = run_code([sys.executable, "-c", LOADED.format(arguments=arguments)])
    assert told.stderr.strip() == "[]"
    words = " ".join(told.stdout.split())
    codes = (
        "0 done; 1 failed; 2 wrong usage; 3 parked until the quota has room; 4 changes are pending; "
        "130 stopped by Ctrl-C, 143 by SIGTERM"
    )
    assert codes in words


def test_help_names_commands():
    """The program without arguments lists its commands."""
    told = run().stdout
    assert "demo" in told
    assert "sandbox" in told


def test_version():
    """`--version` prints the package's version and nothing else."""
    told = run("--version")
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
    """Wrong usage is told on standard error, and the exit code is 2."""
    told = run(*arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr
    assert "Traceback" not in told.stderr


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
        with started(program(*arguments), stdout=writing) as process:
            _, told = process.communicate()
    finally:
        os.close(writing)
    assert process.returncode == 1
    assert not [line for line in told.splitlines() if line.startswith(("Traceback", "Exception", "aiodoo:"))]


def test_ctrl_c_while_loading():
    """Ctrl-C before a command has begun ends the program without a traceback."""
    told = run_code([sys.executable, "-c", INTERRUPTED])
    assert (told.returncode, told.stdout, told.stderr) == (-signal.SIGINT, "", "")


def test_entry_point():
    """The installed program `aiodoo` is the same as `python -m aiodoo`."""
    command = os.path.join(os.path.dirname(sys.executable), "aiodoo")  # noqa: PTH118, PTH120  # keeps the venv's link
    told = subprocess.run([command, "--help"], text=True, capture_output=True, check=True)  # noqa: S603  # our own
    assert told.stdout == run("--help").stdout
