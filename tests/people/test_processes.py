"""Lives with real processes on real HTTP; `processes.py` replays one or lives many."""

from __future__ import annotations

import pytest
from processes import one_life


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_doubled_by_real_terminals(seed: int) -> None:
    """Terminals are killed, held and cut off, and start the same things again: everything is as wanted, or reported."""
    life = one_life(seed)
    assert not life.faults, "\n".join([*life.story, *life.faults])
