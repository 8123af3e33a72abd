"""A program that is forked from one that has loaded it behaves as one that is started."""

from __future__ import annotations

import os
import signal

import pytest
from cli_process import environment, installed, is_gone, program, run_code, started
from preloaded import Preloaded


@pytest.mark.parametrize(
    "words", ["--version", "demmo", "webhooks list --sandbox", "export --sandbox", "plan nothing.yaml"]
)
def test_it_prints_the_same_and_ends_the_same(words: str) -> None:
    """Exit code and both streams are those of the installed program."""
    forked, begun = run_code(program(*words.split())), run_code(installed(*words.split()))
    assert (forked.returncode, forked.stdout, forked.stderr) == (begun.returncode, begun.stdout, begun.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_it_is_a_process_of_its_own(number: signal.Signals, code: int) -> None:
    """It has its own session and process id, and how a signal ended it is told."""
    with started(program("sandbox")) as process:
        assert isinstance(process, Preloaded)
        assert (process._answers is not None) == (os.environ.get("AIODOO_WHOLE") != "1")
        assert process.stdout is not None
        assert process.stdout.readline()
        assert os.getsid(process.pid) == process.pid
        assert process.poll() is None
        process.send_signal(number)
        process.communicate()
    assert process.returncode == code
    assert is_gone(process)


def test_what_the_interpreter_reads_when_it_starts_needs_one_that_starts() -> None:
    """With such a name in its environment the program is not forked."""
    with Preloaded(program("--version"), stdout=-1, env=environment(PYTHONIOENCODING="ascii")) as process:
        assert process._answers is None
        assert process.communicate()[0]
