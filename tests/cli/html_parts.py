"""What a page that --report writes consists of."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path


class Parts(HTMLParser):
    """Notes what a page loads, runs or leaves open, and its cells by heading."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.foreign: list[str] = []
        self.texts: list[tuple[str, str]] = []
        """The texts with the innermost element of each."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.foreign += [
            str(value) for name, value in attrs if name in {"src", "href"} or name.startswith("on")
        ]
        self.foreign += [tag] if tag in {"script", "link", "iframe", "img"} else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if data.strip() and self.open:
            self.texts.append((self.open[-1], data))

    def of(self, tag: str) -> list[str]:
        """Return the texts of the elements with this name."""
        return [text for name, text in self.texts if name == tag]

    def facts(self) -> dict[str, str]:
        """Return what is said at the top."""
        return dict(zip(self.of("dt"), self.of("dd"), strict=True))


def read_page(path: Path) -> Parts:
    """Return the parts of a page; it must stand alone, be private, and hold no control characters."""
    shown = path.read_text()
    parts = Parts()
    parts.feed(shown)
    assert (parts.open, parts.foreign) == ([], [])
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown) is None
    assert path.stat().st_mode & 0o777 == 0o600
    return parts
