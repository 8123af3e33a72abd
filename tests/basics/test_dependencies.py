"""What the package imports, it declares; what comes along with something else may stay away one day."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import aiodoo

PACKAGE = Path(aiodoo.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
HOMES = packages_distributions()


def declared(requirements: list[str]) -> set[str]:
    """Return the names of distributions."""
    return {re.split(r"[\[<>=;~ ]", requirement)[0].lower() for requirement in requirements}


def imported(path: Path) -> set[str]:
    """Return the first part of every name that a module needs; what it can do without it imports elsewhere."""
    named: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            named.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            named.add((node.module or "").partition(".")[0])
    return named - sys.stdlib_module_names - {"aiodoo"}


@pytest.mark.parametrize(
    "room",
    [path for path in sorted(PACKAGE.iterdir()) if path.suffix in {"", ".py"}],
    ids=lambda path: path.name,
)
def test_every_import_is_declared(room: Path) -> None:
    """By the package itself, or for the command line by the extra `cli`; pytest has loaded its plugin itself."""
    known = declared(PROJECT["dependencies"])
    if room.name == "cli":
        known |= declared(PROJECT["optional-dependencies"]["cli"])
    if room.name == "testing":
        known |= {"pytest"}
    if room.name == "distributed":
        known |= {"coredis", "procrastinate", "streaq"}
    modules = [room] if room.is_file() else sorted(room.rglob("*.py"))
    for module in modules:
        missing = [
            name for name in imported(module) if not known & {home.lower() for home in HOMES.get(name, [])}
        ]
        assert missing == [], module
