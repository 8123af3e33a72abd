from __future__ import annotations

import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiodoo.models import is_masked

MASKS = [
    None,
    "",
    "   ",
    "****",
    "*",
    "\u2022\u2022\u2022\u2022",
    "\u25cf\u25cf\u25cf",
    "xxxx",
    "XXXXXXXX",
    "[REDACTED]",
    "<hidden>",
    "{{client_secret}}",
    "(not shown)",
    "redacted",
    "Hidden",
    "null",
    "abc***xyz",
    "****1234",
    "12\u2022\u2022\u2022\u202234",
    "abcd...",
    "abcd\u2026wxyz",
    "------",
    "\uff0a\uff0a\uff0a",
    0,
    False,
    [],
]


@pytest.mark.parametrize("mask", MASKS)
def test_masks_are_told(mask: object) -> None:
    """What a server may show in place of a secret is never taken for one."""
    assert is_masked(mask)


@pytest.mark.parametrize(
    "secret",
    ["super-strong-secret", "a*b", "p**d", "x1", "hidden-valley", "1.2.3", "[ab", "null-1", "Axxxxxx9"],
)
def test_odd_secrets_are_not_masks(secret: str) -> None:
    """A secret may hold a star, a dot, a bracket or a word."""
    assert not is_masked(secret)


@given(st.randoms(use_true_random=False).map(lambda chance: chance.randbytes(16).hex()))
def test_random_hex_is_never_a_mask(secret: str) -> None:
    """Generated secrets are taken for what they are."""
    assert not is_masked(secret)


@given(
    st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=64).filter(
        lambda t: set(t.lower()) - set("x-_")
    )
)
def test_url_safe_secrets_are_never_masks(secret: str) -> None:
    """Nor are those that `secrets.token_urlsafe` may give."""
    assert not is_masked(secret)
    assert not is_masked(secrets.token_urlsafe(24))
