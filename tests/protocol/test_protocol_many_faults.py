"""A page that holds nothing that could be read takes little memory, and says how much of it that is."""

from __future__ import annotations

import tracemalloc

from models.doo_lists import answer

from aiodoo.protocol.answers import read_page
from aiodoo.protocol.listing import MOST_FAULTS


def test_a_page_of_many_faults_is_read_within_its_memory() -> None:
    """The first are told one by one, the others are counted."""
    body = answer(b'{"_embedded":{"webhooks":[%b]}}' % b",".join([b"1"] * 99_000))
    read_page(body, "111", 1)
    tracemalloc.start()
    try:
        page = read_page(body, "111", 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert len(page.faults) == MOST_FAULTS + 1
    assert page.faults[7].path == "$._embedded.webhooks[7]"
    assert f"holds {99_000 - MOST_FAULTS} more that cannot be read" in str(page.faults[-1])
    assert page.items == ()
