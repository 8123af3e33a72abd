"""The page on the architecture names every room, draws the layers that are checked, and leads to files that exist."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
TOOL = runpy.run_path(str(ROOT / "docs" / "pictures" / "architecture.py"))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
AGAIN = "run: python docs/pictures/architecture.py"


def test_the_list_of_rooms_is_whole() -> None:
    """Each package and module stands there once, with a sentence."""
    rows = re.findall(
        r"^\| \**`(aiodoo/[^`]*)`\** \| (.*) \|$", TEXT.partition("<!-- rooms: begin -->")[2], re.MULTILINE
    )
    listed = [name for name, _ in rows]
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "aiodoo").rglob("*.py")}
    packages = {name for name in modules if name.endswith("/__init__.py") and name.count("/") > 1}
    wanted = (modules - packages) | {name.removesuffix("__init__.py") for name in packages}
    assert sorted(listed) == sorted(wanted), AGAIN
    assert [name for name, sentence in rows if len(sentence) < 10] == [], "a module needs a docstring"


def test_the_picture_shows_the_layers_that_are_checked() -> None:
    """The text source has the rows of the import contract, and the picture is drawn of it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["type"] == "layers" and each["containers"] == ["aiodoo"]]
    checked = [{room.strip() for room in row.split("|")} for row in contract["layers"]]
    drawn = [set(row) for layer in TOOL["layers"]() for row in layer.rows]
    assert drawn == checked, "change docs/pictures/layers.txt, then " + AGAIN
    assert (ROOT / "docs" / "pictures" / "layers.svg").read_text() == TOOL["picture"](), AGAIN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Whoever looks for a file that a page names finds it."""
    named = set(
        re.findall(r"\b((?:aiodoo|tests|benchmarks|docs)/[\w/.-]*\.(?:py|patch|svg))", page.read_text())
    )
    assert sorted(each for each in named if not (ROOT / each).exists()) == []
