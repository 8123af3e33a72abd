"""Self-contained HTML pages for change tickets: no script, no request to elsewhere, readable on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import attrs

import aiodoo
from aiodoo.cli.terminal.streams import safe
from aiodoo.errors import ConfigError
from aiodoo.private_file import write

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 2rem; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid #8888 }
th { white-space: nowrap } td { overflow-wrap: anywhere; white-space: pre-line } td.number { text-align: right }
dl { display: grid; grid-template-columns: max-content auto; gap: .2rem 1.5rem } dt { font-weight: 600 } dd { margin: 0 }
del { background: #f8c8c855 } ins { background: #c8f0c855; text-decoration: none } footer { font-size: .85rem; margin-top: 2rem }
svg { max-width: 100%; height: auto } @media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""


@attrs.frozen
class HtmlTable:
    """A table of a page.

    Attributes:
        title: its heading.
        columns: the headings of its columns.
        rows: the cells, as text; a pair is an old and a new value.
        empty: what is said in place of a table without rows.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = "None."

    def html(self) -> Iterable[str]:
        """Yield the table's lines."""
        yield f"<h2>{_text(self.title)}</h2>"
        if not self.rows:
            yield f"<p>{_text(self.empty)}</p>"
            return
        head = "".join(f'<th scope="col">{_text(column)}</th>' for column in self.columns)
        yield f"<table><thead><tr>{head}</tr></thead><tbody>"
        for row in self.rows:
            yield f"<tr>{''.join(map(_cell, row))}</tr>"
        yield "</tbody></table>"


def html_page(title: str, facts: Mapping[str, object], parts: Iterable[HtmlTable | str]) -> str:
    """Return a page.

    Args:
        title: its heading.
        facts: what is said at the top, by name.
        parts: tables, and finished HTML such as a picture.
    """
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{_text(title)}</h1><dl>",
        *(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items()),
        "</dl>",
    ]
    for part in parts:
        lines += [part] if isinstance(part, str) else part.html()
    lines.append(f"</main><footer>Made at {moment} by aiodoo {aiodoo.__version__}.</footer></body></html>")
    return "\n".join(lines) + "\n"


def write_page(path: Path, page: str) -> None:
    """Write a page into a file that only its owner can read.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        write(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise ConfigError(f"the page {path} cannot be written ({error.strerror}).") from None


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        old, new = value
        shown = [
            f"<del>{_text(old)}</del>" if old is not None else "",
            f"<ins>{_text(new)}</ins>" if new is not None else "",
        ]
        return f"<td>{' '.join(filter(None, shown))}</td>"
    kind = ' class="number"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"<td{kind}>{_text('' if value is None else value)}</td>"


def _text(value: object) -> str:
    return escape(safe(str(value)))
