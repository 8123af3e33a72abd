"""Known-bad variants of aiodoo, each of which the tests must catch.

A mutant is a patch in this folder. Above its diff it says what it breaks and which tests have to fail for it:

    Caught by: tests/client/test_transport.py -k redirect

It is applied to a copy of the package, and those tests are run against the copy. A patch that no longer applies
fails here as well, so that no guard is lost unnoticed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MUTANTS = sorted(HERE.glob("*.patch"))


def apply(patch: str, root: Path) -> None:
    """Apply a unified diff below `root`; each hunk's lines must be there exactly once, wherever that is."""
    target, hunks = None, {}
    for line in patch.splitlines():
        if line.startswith("--- "):
            target = None
        elif line.startswith("+++ "):
            target = root / line[4:].split("\t")[0].removeprefix("b/")
            hunks[target] = []
        elif line.startswith("@@") and target is not None:
            hunks[target].append(([], []))
        elif target is not None and hunks[target] and line[:1] in {" ", "-", "+", ""}:
            before, after = hunks[target][-1]
            if line[:1] != "+":
                before.append(line[1:])
            if line[:1] != "-":
                after.append(line[1:])
    assert hunks, "there is no diff in it"
    for path, changes in hunks.items():
        text = path.read_text()
        for before, after in changes:
            old, new = "\n".join(before), "\n".join(after)
            assert old != new
            assert text.count(old) == 1, f"{path.name} has {text.count(old)} places for this hunk:\n{old}"
            text = text.replace(old, new)
        path.write_text(text)
        forget_compiled(path)


def forget_compiled(path: Path) -> None:
    """Remove a module's compiled code, which is known by the second and the size of its source only."""
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def caught_by(patch: str) -> list[str]:
    """Return pytest's arguments for the tests that have to fail."""
    (line,) = [line for line in patch.splitlines() if line.startswith("Caught by: ")]
    return shlex.split(line.removeprefix("Caught by: "))


def environment(copy: Path) -> dict[str, str]:
    """Return an environment in which the copy is imported, not what lies in the working directory, nor measured."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    only_what_is_needed = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "anyio.pytest_plugin,pytest_timeout",
    }
    return inherited | only_what_is_needed | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(copy)}


@pytest.mark.parametrize("path", MUTANTS, ids=lambda path: path.stem)
def test_each_mutant_is_caught(path: Path, tmp_path: Path) -> None:
    """With the patch applied at least one of the tests it names fails, and no test fails to start."""
    patch = path.read_text()
    # With what is compiled already, but not what another process is writing just now.
    shutil.copytree(ROOT / "aiodoo", tmp_path / "aiodoo", ignore=shutil.ignore_patterns("*.pyc.*"))
    apply(patch, tmp_path)
    pytest_ = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    run = subprocess.run(  # noqa: S603  # our own tests
        [*pytest_, *caught_by(patch)],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.returncode == 1, (
        f"pytest ended with {run.returncode}\n{run.stdout[-3000:]}{run.stderr[-1000:]}"
    )
    assert " error" not in run.stdout.splitlines()[-1], run.stdout[-3000:]


def test_the_copy_is_what_is_tested(tmp_path: Path) -> None:
    """A copy on PYTHONPATH is imported instead of the installed package."""
    shutil.copytree(ROOT / "aiodoo", tmp_path / "aiodoo", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import aiodoo; print(aiodoo.__file__)"
    shown = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert Path(shown.stdout.strip()).is_relative_to(tmp_path)


def test_a_patch_that_does_not_apply_is_noticed(tmp_path: Path) -> None:
    """A hunk whose lines are gone, or there twice, is an error."""
    (tmp_path / "a.py").write_text("x = 1\ny = 2\nx = 1\n")
    for lines in ("-z = 1\n+z = 2\n", "-x = 1\n+x = 2\n"):
        with pytest.raises(AssertionError, match="places for this hunk"):
            apply(f"--- a/a.py\n+++ b/a.py\n@@\n{lines}", tmp_path)
    apply("--- a/a.py\n+++ b/a.py\n@@\n-y = 2\n+y = 3\n", tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\ny = 3\nx = 1\n"
