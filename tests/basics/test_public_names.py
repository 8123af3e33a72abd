"""What `import aiodoo` offers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aiodoo


def test_every_public_name_can_be_imported_and_no_other_is_listed() -> None:
    """`__all__` is sorted, complete and importable; an unknown name is an AttributeError."""
    assert (
        sorted(aiodoo.__all__, key=lambda name: (not name.isupper(), name.islower(), name)) == aiodoo.__all__
    )
    for name in aiodoo.__all__:
        assert getattr(aiodoo, name) is not None
    assert set(aiodoo.__all__) <= set(dir(aiodoo))
    assert not hasattr(aiodoo, "Webhook")


def test_type_checkers_are_told_the_same_names() -> None:
    """The imports for type checkers name each public name once, with the module that it is loaded from."""
    source = ast.parse(Path(aiodoo.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in source.body if isinstance(node, ast.If)]
    told = [
        (alias.name, alias.asname, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    homes = dict.fromkeys(aiodoo._ROOMS, "aiodoo") | aiodoo._HOME_OF
    assert sorted(told) == sorted((name, name, home) for name, home in homes.items())


@pytest.mark.parametrize(
    "name",
    [
        "bulk",
        "desired",
        "errors",
        "events",
        "models",
        "operations",
        "profiles",
        "quota",
        "receiver",
        "sandbox",
        "walk",
    ],
)
def test_every_room_is_reached_from_the_package(name: str) -> None:
    """`import aiodoo` alone is enough to name a room, and `dir` tells all that is in it before any of it is used."""
    code = (
        f"import aiodoo; room = aiodoo.{name}; named = getattr(room, '__all__', ());"
        "missing = set(named) - set(dir(room)); assert not missing, missing; [getattr(room, one) for one in named]"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert shown.stderr == ""


def test_what_the_methods_of_a_session_return_has_a_public_name() -> None:
    """A caller can write down the type of whatever comes back."""
    for name in ("Outcome", "Progress", "Report", "Status", "Stream", "Walk"):
        assert name in aiodoo.__all__


def test_importing_costs_nothing() -> None:
    """Neither aiohttp nor anything else that is large is loaded before a name is used."""
    code = "import sys, aiodoo; print([name for name in ('aiohttp', 'attrs', 'anyio', 'msgspec', 'cattrs') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert shown.stdout.strip() == "[]"
