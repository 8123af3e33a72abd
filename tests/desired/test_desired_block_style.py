"""Block style: what exports are written in, read without a full YAML parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiodoo.desired.file import block_style, yaml_reading

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "no",
        "~",
        "0o17",
        "12:30",
        "a: b",
        "a #b",
        "x\n  y\n",
        "x\n\ny",
        " x\ny",
        "x \ny",
        "nel\x85x",
        "\U000e0001",
        "a\\U0041",
    ]
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FILES = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)


def by_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> yaml_reading.Source:
    """Read a text with the full parser."""
    with monkeypatch.context() as patched:
        patched.setattr(block_style, "read", lambda _: None)
        return yaml_reading.parse(text, name="a.yaml", folder=Path())


@given(FILES)
@example({"a": "x\ny", "b": [[["z"]], {"c": "x\ny\n"}]})
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_alike_by_both_readers(data: dict[str, Any]) -> None:
    """Any data, with the same positions of all its values and keys."""
    text = "\n".join(block_style.written(data)) + "\n"
    block = block_style.read(text)
    assert block is not None
    assert block.data == data
    with pytest.MonkeyPatch.context() as monkeypatch:
        full = by_parser(text, monkeypatch)
    assert full.data == data
    assert {place: block.mark(place) for place in full.marks} == full.marks


@given(
    st.lists(
        st.sampled_from(
            ["a:", "b: x", "- ", "- a: 1", "  c: |-", "    x", "  - y", "# z", "", "  d: [1]", "x"]
        ),
        max_size=9,
    )
)
@settings(max_examples=300, deadline=None)
def test_what_it_reads_means_the_same_to_the_full_parser(lines: list[str]) -> None:
    """Whatever a person writes: either both agree, or the block reader leaves it alone."""
    text = "\n".join(lines)
    if (block := block_style.read(text)) is not None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert by_parser(text, monkeypatch).data == block.data


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_plain_scalars_mean_the_same_to_the_full_parser(text: str) -> None:
    """Texts without quotes are read as the full parser does, or left to it."""
    if (block := block_style.read(f"a: {text}")) is not None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert by_parser(f"a: {text}", monkeypatch).data == block.data
