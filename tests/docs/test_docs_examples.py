"""The pages show code that works: every Python block of README.md and docs/ runs as printed, against the sandbox."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPENING = re.compile(r"^[ >]*(?:```|~~~)[ {]*(?:code-block[} ]*)?python", re.MULTILINE)
SHOWING = [path for path in sorted((ROOT / "aiodoo").rglob("*.py")) if ">>> " in path.read_text()]
TESTED = [page for page in PAGES if OPENING.search(page.read_text())]


def read(page: Path) -> Document:
    """Find the Python blocks of a page, which run as those of a module do."""
    document = Document.parse(str(page), PythonCodeBlockParser())
    document.namespace["__name__"] = f"docs_{page.stem}"
    return document


@pytest.mark.parametrize("page", TESTED, ids=lambda page: page.name)
def test_every_python_block_of_a_page_runs(page: Path) -> None:
    """The blocks of a page run in order and share their names."""
    for block in read(page).examples():
        block.evaluate()


@pytest.mark.parametrize("page", TESTED, ids=lambda page: page.name)
def test_no_python_block_is_overlooked(page: Path) -> None:
    """As many blocks are run as the page opens, so none is skipped for the way it is written."""
    assert len(list(read(page).examples())) == len(OPENING.findall(page.read_text()))


def test_the_pages_that_teach_have_examples() -> None:
    """The pages that everybody reads first, and the guides to whole programs, are among those that are run."""
    first = {"README.md", "index.md", "tutorial.md"}
    guides = {"web_apps.md", "scripts.md", "synchronous.md", "multi_tenant.md", "logging.md", "sandbox.md"}
    assert first | guides <= {page.name for page in TESTED}


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.stem)
def test_the_examples_in_docstrings_are_true(path: Path) -> None:
    """An example in a docstring prints what it says."""
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
