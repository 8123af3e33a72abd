"""The home that most tests of the program have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cli_home import Home, new_home, profile

from aiodoo.sandbox import Sandbox


@pytest.fixture
def home(box: Sandbox) -> Iterator[Home]:
    """Have a home with one profile, which is of the module's sandbox."""
    with new_home() as home:
        home.write(profile("acme", box))
        yield home
