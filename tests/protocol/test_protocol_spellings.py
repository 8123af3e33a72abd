"""Leaving out the secrets that cannot be in a text hides no less."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from aiodoo.protocol.sanitizing import any_spelling, clean
from aiodoo.secret import Secret

CHARS = st.sampled_from("aAsSkK1/ %+\\u04\u017f\u212a\u00e9")


@given(st.lists(st.text(CHARS, max_size=4), max_size=3), st.text(CHARS, max_size=12))
@example(["ask"], "a\u017fk")
@example(["a\u017f"], "as")
@example(["a a"], "a+a")
@example(["ak"], "YWs")
def test_secrets_that_are_left_out_are_not_in_the_text(values: list[str], text: str) -> None:
    """The pattern for one text hides what the pattern for all that can be written hides."""
    secrets = [Secret(value) for value in values]
    for_all = any_spelling(secrets, ["%"])
    assert clean(text, any_spelling(secrets, [text])) == clean(text, for_all)


def test_no_pattern_is_made_for_words_without_a_secret() -> None:
    """What doo says most often costs no pattern, however many secrets there are."""
    assert any_spelling([Secret("k" * 40), Secret("ask")], ["Forbidden", "limit exceeded"]).pattern == "(?!)"
