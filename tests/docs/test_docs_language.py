"""The pages use one word for one thing: the one that the page of terms has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = sorted(path for room in ("cli", "sandbox") for path in (ROOT / "aiodoo" / room).rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
TERMS = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "terms.md").read_text(), re.MULTILINE)
INSTEAD = {
    r"in a box": "sandbox",
    r"(go|goes|gone|going|went) on with": "resume",
    r"on (its|their) way": "in flight",
    r"reach(es)? further": "widen",
    r"bec(a|o)me of": "outcome",
    r"many hands": "several runs",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_uses_the_term_and_no_metaphor(page: Path) -> None:
    """What has a term is called by it, outside of code and of what a program prints."""
    text = CODE.sub("", page.read_text())
    assert [found[0] for words in INSTEAD for found in re.finditer(rf"\b{words}\b", text)] == []


@pytest.mark.parametrize("module", PROGRAM, ids=lambda module: str(module.relative_to(ROOT)))
def test_the_command_line_and_the_sandbox_use_the_terms_too(module: Path) -> None:
    """What is printed, documented or noted there uses the same words as the pages."""
    text = " ".join(module.read_text().split())
    assert [found[0] for words in INSTEAD for found in re.finditer(rf"(?i)\b{words}\b", text)] == []


def test_each_term_is_defined_once_in_one_sentence() -> None:
    """A term has one row, which is one sentence and not empty."""
    terms = [term for term, _ in TERMS if term not in {"term", "---"}]
    assert len(terms) > 80
    assert len(terms) == len(set(terms))
    assert [term for term, meaning in TERMS if ". " in meaning] == []
