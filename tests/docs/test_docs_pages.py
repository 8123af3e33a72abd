"""The pages can be built, name everything public, and send nobody to another host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import aiodoo
from aiodoo import events
from aiodoo.events import Event

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOSTS = re.compile(r"https?://([^/\s`)\"'>?\\]+)")
DOO = {"rest.doo.net", "integration.doo.net", "api.doo.net", "gql.doo.net"}


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    """Sphinx builds every page; a broken link, an unknown name or a page left out is an error."""
    command = [
        sys.executable,
        "-c",
        # A build makes hardly any cycles, and looks for them all the time.
        "import gc, runpy; gc.set_threshold(100_000, 50, 1000); runpy.run_module('sphinx', run_name='__main__')",
        "-q",
        "-E",
        "-W",
        "-n",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert built.returncode == 0, built.stderr
    for page in PAGES[1:]:
        assert (tmp_path / page.relative_to(ROOT / "docs").with_suffix(".html")).exists()


@pytest.mark.parametrize("name", [name for name in aiodoo.__all__ if not name.startswith("__")])
def test_every_public_name_is_documented(name: str) -> None:
    """What `aiodoo` exports is in the API reference."""
    assert re.search(rf"::\s+(?:aiodoo\.)?{re.escape(name)}\b", API) or f"`{name}`" in API


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_host_but_doos_and_examples(page: Path) -> None:
    """URLs lead to doo's API or to hosts that are reserved for examples."""
    others = {
        host for host in HOSTS.findall(page.read_text()) if host not in DOO and not host.endswith(".example")
    }
    assert not others


def test_each_guarantee_names_tests_that_exist() -> None:
    """The tests that the guarantees name as their proof are there."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "guarantees.md").read_text()))
    assert len(named) > 30
    assert [each for each in sorted(named) if not (ROOT / each).is_file()] == []


LOGGING = (ROOT / "docs" / "logging.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w.]+)` \|(.*)$", LOGGING, re.MULTILINE))


def test_the_page_on_logging_names_every_logger() -> None:
    """Each logger that the package asks for has a row, and no row is for another one."""
    made = {
        name
        for path in (ROOT / "aiodoo").rglob("*.py")
        for name in re.findall(r"getLogger\(\"(aiodoo\.[\w.]+)\"\)", path.read_text())
    }
    assert {name for name in ROWS if name.startswith("aiodoo.")} == made


# attrs makes each class with slots anew, and the first one is there until garbage is collected.
EVENTS = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)]


@pytest.mark.parametrize(
    "event", [each for each in EVENTS if each is not Event], ids=lambda event: event.__name__
)
def test_the_page_on_events_names_every_field(event: type[Event]) -> None:
    """Each event has a row, which names the fields that only it has; those of all events have rows of their own."""
    shared = set(attrs.fields_dict(Event))
    assert shared <= ROWS.keys()
    assert [
        name
        for name in attrs.fields_dict(event)
        if name not in shared and f"`{name}`" not in ROWS[event.__name__]
    ] == []


def test_the_readme_leads_to_files_that_exist() -> None:
    """Each link and picture of README.md is in the tree, and every how-to page is linked."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[0].read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
    index = (ROOT / "docs" / "index.md").read_text()
    [how_to] = re.findall(r":caption: How-to guides\n\n(.*?)```", index, re.DOTALL)
    assert {f"docs/{page}.md" for page in how_to.split()} <= set(links)
