"""Lives of runs that seeds decide, with all 24 kinds of fault; `random_runs.py` replays one and lives any number of them."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from random_runs import KINDS, Tally, collect_seldom, one_life, some_lives

LIVES = int(os.environ.get("AIODOO_LIVES", "200"))
"""How many lives are lived."""

SHARE = 25


@pytest.mark.timeout(600)  # many lives: the machine may be busy with other things
def test_nothing_is_lost_or_doubled_in_any_life() -> None:
    """Whatever befalls a run, its requests, its processes and its disk, every invariant holds, and every kind occurs."""
    tally = Tally()
    shares = [range(first, min(first + SHARE, LIVES)) for first in range(0, LIVES, SHARE)]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=collect_seldom) as pool:
        for part in pool.map(some_lives, shares):
            tally.merge(part)
    assert not tally.failures, tally
    assert tally.lives == LIVES
    missing = {kind for kind in KINDS if tally.fired[kind] < 3}
    assert not missing, f"hardly ever: {missing}"


@pytest.mark.parametrize("seed", [2, 3, 5, 7, 11, 13])
def test_a_seed_is_one_life(seed: int) -> None:
    """The same seed gives the same requests at the same instants, with the same outcomes."""
    assert len({one_life(seed).trace for _ in range(2)}) == 1


@pytest.mark.parametrize("seed", [3457, 7894, 7999])
def test_a_life_that_once_went_wrong(seed: int) -> None:
    """A delete taken for confirmed, teams that used up each day for their lists, and a batch that ended before it began."""
    one_life(seed)
