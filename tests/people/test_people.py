"""Lives of accounts with people in them, judged by the sandbox's own log; `people.py` replays one or lives many."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from people import Tally, one_life, some_lives
from people_world import EVENTS, FAULTS
from random_runs import collect_seldom

LIVES = int(os.environ.get("AIODOO_PEOPLE_LIVES", "200"))
"""How many lives are lived."""

SHARE = 25

OPEN = frozenset[str]()
"""Kinds of fault that are known and not mended yet; a life with another one fails."""


@pytest.mark.timeout(600)  # 200 lives: the machine may be busy with other things
def test_nothing_people_do_loses_doubles_or_hides_anything() -> None:
    """Whatever people, processes, files and the weather do to an account, it holds what was wanted, or a report says so."""
    tally = Tally()
    shares = [range(first, min(first + SHARE, LIVES)) for first in range(0, LIVES, SHARE)]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=collect_seldom) as pool:
        for part in pool.map(some_lives, shares):
            tally.merge(part)
    assert not set(tally.kinds()) - OPEN, str(tally)
    assert tally.lives == LIVES
    missing = {
        kind for kind in (*EVENTS, *FAULTS) if kind not in {"file", "moment"} and not tally.fired[kind]
    }
    assert not missing, f"never: {missing}"
    assert tally.acts["TeamClaimed"] > 20
    assert tally.named > 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_is_one_life(seed: int) -> None:
    """The same seed gives the same story, so that a life can be replayed."""
    first, second = one_life(seed), one_life(seed)
    assert [at for at, _ in first.story] == [at for at, _ in second.story]
