"""Draws the layers as SVG, and lists every room in the page on the architecture: from layers.txt and the modules.

python docs/pictures/architecture.py
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import attrs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = HERE / "layers.txt"
PICTURE = HERE / "layers.svg"
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "aiodoo"
BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"
BESIDE = ("sandbox", "__main__", "__init__")
"""What stands beside the layers."""

WIDTH, SIDE, LABELS = 1000, 130, 190
ROW, GAP, PAD, LETTER = 28, 8, 12, 7.4
STEP, DEEP = 26, 3
STYLE = (
    "text{font-family:sans-serif;font-size:13px;fill:#1f2933}"
    ".name{font-weight:bold}.caption{font-size:11.5px;fill:#52606d}"
    ".room{font-family:monospace;font-size:12px}"
    ".group{fill:#f5f7fa;stroke:#9aa5b1}.box{fill:#ffffff;stroke:#52606d}.line{stroke:#52606d;fill:none}"
)


@attrs.frozen
class Layer:
    """A group of rows of the import contract."""

    name: str
    caption: str
    rows: tuple[tuple[str, ...], ...]


def layers() -> list[Layer]:
    """Read the text source."""
    found = []
    for line in SOURCE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, caption, rows = (part.strip() for part in line.split("|"))
            each = tuple(tuple(room.strip() for room in row.split(",")) for row in rows.split(";"))
            found.append(Layer(name, caption, each))
    return found


# The picture


def picture() -> str:
    """Return the SVG."""
    parts, top = list[str](), PAD
    reached: dict[str, float] = {}
    for layer in layers():
        deep = min(DEEP, max(len(row) for row in layer.rows))
        height = max(64, deep * ROW + (deep - 1) * GAP + 2 * PAD)
        reached[layer.name] = top + height / 2
        parts += _layer(layer, top, height)
        top += height + GAP
    parts += _beside(reached["one call"], reached["entry points"])
    words = "Imports go down, and within a layer to the right. Modules between two arrows do not import each other."
    parts.append(f'<text x="{PAD}" y="{top + 14}" class="caption">{words}</text>')
    height = top + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The layers of aiodoo"><style>{STYLE}</style>'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#52606d"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _layer(layer: Layer, top: float, height: float) -> Iterator[str]:
    width = WIDTH - SIDE - 4 * PAD
    yield f'<rect x="{PAD}" y="{top}" width="{width}" height="{height}" rx="6" class="group"/>'
    yield f'<text x="{2 * PAD}" y="{top + 22}" class="name">{escape(layer.name)}</text>'
    for number, line in enumerate(textwrap.wrap(layer.caption, 27)):
        yield f'<text x="{2 * PAD}" y="{top + 38 + 14 * number}" class="caption">{escape(line)}</text>'
    left, middle = LABELS + 2.0 * PAD, top + height / 2
    for place, row in enumerate(layer.rows):
        if place:
            yield f'<path d="M{left - GAP:.1f} {middle}h{STEP}" class="line" marker-end="url(#head)"/>'
            left += STEP
        for begin in range(0, len(row), DEEP):
            column = row[begin : begin + DEEP]
            box = max(len(room) for room in column) * LETTER + 16
            yield from _column(column, left, middle, box)
            left += box + GAP


def _column(column: tuple[str, ...], left: float, middle: float, width: float) -> Iterator[str]:
    at = middle - (len(column) * ROW + (len(column) - 1) * GAP) / 2
    for room in column:
        yield f'<rect x="{left:.1f}" y="{at}" width="{width:.1f}" height="{ROW}" rx="4" class="box"/>'
        centre = f'x="{left + width / 2:.1f}" y="{at + 18}" text-anchor="middle"'
        yield f'<text {centre} class="room">{room}</text>'
        at += ROW + GAP


def _beside(call: float, top: float) -> Iterator[str]:
    """Draw what the layers meet: who calls, doo, and the sandbox in its place."""
    left, edge = WIDTH - SIDE - PAD, WIDTH - SIDE - 3 * PAD
    yield from _block(left, top, "your program", ["or a terminal"])
    yield f'<path d="M{left} {top}H{edge}" class="line" marker-end="url(#head)"/>'
    yield from _block(left, call, "doo", ["over HTTPS"])
    yield f'<path d="M{edge} {call}H{left}" class="line" marker-end="url(#head)"/>'
    lower = call + 110
    yield from _block(left, lower, "sandbox", ["stands in for doo;", "shares no code"])
    middle = left + SIDE / 2
    yield f'<path d="M{middle} {lower - 36}V{call + 36}" class="line" stroke-dasharray="4 3" marker-end="url(#head)"/>'


def _block(left: float, middle: float, name: str, captions: list[str]) -> Iterator[str]:
    yield f'<rect x="{left}" y="{middle - 36}" width="{SIDE}" height="72" rx="6" class="group"/>'
    centre = left + SIDE / 2
    yield f'<text x="{centre}" y="{middle - 12}" text-anchor="middle" class="name">{name}</text>'
    for number, line in enumerate(captions):
        at = middle + 6 + 15 * number
        yield f'<text x="{centre}" y="{at}" text-anchor="middle" class="caption">{line}</text>'


# The rooms


def rooms() -> str:
    """Return a table for each layer, with the sentence of each of its packages and modules."""
    parts = list[str]()
    for layer in layers():
        names = [room for row in layer.rows for room in row]
        parts.append(_table(f"{layer.name[0].upper()}{layer.name[1:]}", names))
    parts.append(_table("Beside the layers", list(BESIDE)))
    return "\n\n".join(parts)


def _table(title: str, names: list[str]) -> str:
    lines = [f"### {title}", "", "| room | what it is |", "| --- | --- |"]
    for name in names:
        lines += [f"| {shown} | {sentence(path)} |" for shown, path in _within(name)]
    return "\n".join(lines)


def _within(name: str) -> Iterator[tuple[str, Path]]:
    """Yield each package and module of a room, a package before what is in it."""
    if not (PACKAGE / name).is_dir():
        yield f"`aiodoo/{name}.py`", PACKAGE / f"{name}.py"
        return
    for path in sorted((PACKAGE / name).rglob("*.py"), key=lambda path: (path.parent, path.name)):
        shown = path.relative_to(ROOT).as_posix()
        is_package = path.name == "__init__.py"
        yield (f"**`{shown.removesuffix('__init__.py')}`**" if is_package else f"`{shown}`"), path


def sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
    found = re.match(r".*?[.?!](?=\s|\Z)", " ".join(text.split()))
    return "" if found is None else found[0]


def page(text: str) -> str:
    """Return the page with its list of rooms made anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{rooms()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PICTURE.write_text(picture())
    PAGE.write_text(page(PAGE.read_text()))
