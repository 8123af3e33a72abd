from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aiodoo import Page, PaginationError, SchemaMismatch, WebhookConfiguration
from aiodoo.protocol.next_page import MOST_PAGES, Pager


def page(
    number: int, ids: Iterable[str] = (), count: int | None = None, *, link: bool = False, **fields: Any
) -> Page:
    """Return a page with these ids."""
    items = tuple(WebhookConfiguration(team_id="111", id=each, name="n") for each in ids)
    return Page(team_id="111", number=number, items=items, page_count=count, has_next_link=link, **fields)


def walk(server: Callable[[int], Page], pager: Pager | None = None) -> tuple[list[int], list[str], Pager]:
    """Read a list to its end; return the pages asked for and the ids that belong to it."""
    pager = pager or Pager("111")
    asked: list[int] = []
    ids: list[str] = []
    while (number := pager.next) is not None:
        asked.append(number)
        answered = server(number)
        if pager.read(answered):
            ids += [item.id for item in answered.items]
    return asked, ids, pager


def ids_of(number: int, size: int = 3) -> list[str]:
    """Return the ids of a full page."""
    return [f"{number}-{each}" for each in range(size)]


def test_one_page_is_one_request() -> None:
    """Neither a counter nor a link speaks of more."""
    assert walk(lambda number: page(number, ["a", "b"], count=1))[:2] == ([1], ["a", "b"])
    assert walk(lambda number: page(number, ["a"], total_items=1, page_size=25))[:2] == ([1], ["a"])
    assert walk(lambda number: page(number, ["a"], page_size=2))[:2] == ([1], ["a"])
    assert walk(lambda number: page(number, [], count=0))[:2] == ([1], [])


@given(st.integers(1, 12), st.sampled_from(["both", "counter", "link", "total"]))
def test_p_pages_are_p_requests(pages: int, hint: str) -> None:
    """A counter, a link or both: every page is asked for once, and none after the last."""
    assume(pages > 1 or hint != "link")

    def server(number: int) -> Page:
        count = pages if hint in {"both", "counter"} else None
        total = {"total_items": 3 * pages - 1, "page_size": 3} if hint == "total" else {}
        return page(number, ids_of(number), count, link=hint in {"both", "link"} and number < pages, **total)

    asked, ids, pager = walk(server)
    assert asked == list(range(1, pages + 1))
    assert ids == [each for number in asked for each in ids_of(number)]
    assert not pager.duplicates


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("beyond", ["empty", "the last again", "nothing"])
@pytest.mark.parametrize("pages", [1, 2, 5])
def test_neither_counters_nor_links(pages: int, beyond: str, size: int | None) -> None:
    """Where nothing tells how long a list is, full pages are asked for until one beyond it adds nothing."""

    def server(number: int) -> Page:
        if number <= pages:
            return page(number, ids_of(number), page_size=size)
        return page(number, ids_of(pages) if beyond == "the last again" else ())

    pager = Pager("111")
    if beyond == "nothing":
        for number in range(1, pages + 1):
            assert pager.read(server(number))
        assert pager.absent()
        assert pager.next is None
    else:
        asked, ids, _ = walk(server, pager)
        assert asked == list(range(1, pages + 2))
        assert ids == [each for number in range(1, pages + 1) for each in ids_of(number)]


@pytest.mark.parametrize("total", [4, 5, 6])
def test_a_total_is_read_to_its_end(total: int) -> None:
    """Where doo names only a total, pages are asked for until it is reached; one too high costs one more page."""

    def server(number: int) -> Page:
        return page(number, ids_of(number, 2 if number < 3 else 1) if number <= 3 else (), total_items=total)

    asked, ids, _ = walk(server)
    assert asked == {4: [1, 2], 5: [1, 2, 3], 6: [1, 2, 3, 4]}[total]
    assert ids == [each for number in asked for each in ids_of(number, 2 if number < 3 else 1) if number <= 3]


def test_a_link_that_never_ends_costs_one_extra_read() -> None:
    """The counters say that the list is read, a link that it is not: an empty extra page settles it."""
    asked, ids, _ = walk(
        lambda number: page(number, ids_of(number) if number <= 2 else (), count=2, link=True)
    )
    assert asked == [1, 2, 3]
    assert ids == ids_of(1) + ids_of(2)


def test_a_server_that_repeats_its_last_page_has_ended() -> None:
    """Beyond the last page some servers answer with the last one again."""
    asked, ids, pager = walk(
        lambda number: page(
            number, ids_of(min(number, 2)), count=2, link=True, answered_number=min(number, 2)
        )
    )
    assert asked == [1, 2, 3]
    assert ids == ids_of(1) + ids_of(2)
    assert not pager.duplicates


def test_a_missing_extra_page_is_the_end() -> None:
    """A 404 for the extra page means no more than that; a 404 for any other is not taken for the end."""
    pager = Pager("111")
    assert not pager.absent()
    assert pager.next == 1
    pager.read(page(1, ["a"], count=1, link=True))
    assert (pager.next, pager.extra) == (2, True)
    assert pager.absent()
    assert pager.next is None


def test_an_extra_page_may_have_more() -> None:
    """If the counters were wrong and the link right, the list goes on."""
    asked, ids, _ = walk(lambda number: page(number, ids_of(number), count=2, link=number < 4))
    assert asked == [1, 2, 3, 4]
    assert len(ids) == 12


def test_an_empty_middle_page_is_not_the_end() -> None:
    """The counters decide, not emptiness."""
    asked, ids, _ = walk(lambda number: page(number, () if number == 2 else ids_of(number), count=3))
    assert asked == [1, 2, 3]
    assert ids == ids_of(1) + ids_of(3)


def test_a_page_of_faults_is_not_empty() -> None:
    """Items that could not be read are items."""
    faults = (SchemaMismatch("x"),)
    asked, _, _ = walk(
        lambda number: page(number, ["a"] if number == 1 else (), count=1, link=number < 3, faults=faults)
    )
    assert asked == [1, 2, 3]


def test_the_counter_may_shrink_and_grow() -> None:
    """Each page's own counter is the latest word."""
    counts = {1: 2, 2: 4, 3: 3}
    assert walk(lambda number: page(number, ids_of(number), count=counts[number]))[0] == [1, 2, 3]


@pytest.mark.parametrize("cycle", [[1, 2, 1], [1, 1], [1, 2, 3, 2]])
def test_a_cycle_is_an_error(cycle: list[int]) -> None:
    """The first page that comes again ends the scan, however the server went round."""
    with pytest.raises(PaginationError, match="repeats"):
        walk(lambda number: page(number, ids_of(cycle[number - 1]), count=9))


def test_a_server_that_ignores_the_page_is_an_error() -> None:
    """The first page again where the second was asked for, told by its number or by its content."""
    with pytest.raises(PaginationError, match="doo sent page 1 where page 2"):
        walk(lambda number: page(number, ids_of(number), count=3, answered_number=1))
    with pytest.raises(PaginationError, match="repeats"):
        walk(lambda number: page(number, ids_of(1), count=3))
    with pytest.raises(PaginationError, match="repeats"):
        walk(lambda number: page(number, ids_of(1), link=True))


def test_a_list_without_end_is_capped() -> None:
    """Twice the pages that were announced and ten more, then it is an error."""
    asked: list[int] = []

    def server(number: int) -> Page:
        asked.append(number)
        return page(number, ids_of(number), count=2, link=True)

    with pytest.raises(PaginationError, match="did not end after 14 pages"):
        walk(server)
    assert len(asked) == 14


@pytest.mark.parametrize(
    "fields", [{"count": MOST_PAGES + 1}, {"count": 10**9}, {"total_items": 10**9, "page_size": 1}]
)
def test_a_counter_beyond_reason_is_an_error_at_once(fields: dict[str, Any]) -> None:
    """A list that could not be read to its end is not begun."""
    with pytest.raises(PaginationError, match="pages"):
        Pager("111").read(page(1, ["a"], **fields))


def test_no_list_is_read_beyond_ten_thousand_pages() -> None:
    """Also if nothing but links speaks of more."""
    with pytest.raises(PaginationError, match=f"after {MOST_PAGES} pages"):
        walk(lambda number: page(number, [str(number)], link=True))


@pytest.mark.parametrize(
    ("pages", "duplicates"),
    [
        ([["a", "b"], ["c"]], False),
        ([["a", "a"], ["b"]], True),
        ([["a", "b"], ["b", "c"]], True),
        ([["a"], [], ["a", "b"]], True),
    ],
)
def test_an_id_that_comes_twice_is_noted(pages: list[list[str]], duplicates: bool) -> None:  # noqa: FBT001
    """The list moved while it was read, so the scan proves nothing."""
    _, _, pager = walk(lambda number: page(number, pages[number - 1], count=len(pages)))
    assert pager.duplicates is duplicates


def test_a_scan_can_begin_later() -> None:
    """A walk that was broken off goes on where it was."""
    asked, ids, _ = walk(lambda number: page(number, ids_of(number), count=5), Pager("111", start=4))
    assert asked == [4, 5]
    assert ids == ids_of(4) + ids_of(5)


def test_an_error_names_the_team() -> None:
    """The caller learns which list it was, and that nothing follows from it."""
    with pytest.raises(PaginationError, match=r"team 222.*Nothing is concluded"):
        Pager("222").read(page(1, answered_number=2))


@given(st.data())
def test_any_server_comes_to_an_end(data: st.DataObject) -> None:
    """Whatever counters, links, numbers and items a server makes up, a scan ends or is refused within the cap."""
    first: list[int | None] = []

    def server(number: int) -> Page:
        count = data.draw(st.none() | st.integers(0, 4))
        first.append(count)
        return page(
            number,
            data.draw(st.lists(st.sampled_from("abcdefgh"), max_size=2)),
            count,
            link=number < 30 and data.draw(st.booleans()),
            answered_number=data.draw(st.sampled_from([None, None, number, number, 1])),
        )

    try:
        asked, _, _ = walk(server)
    except PaginationError:
        return
    assert asked == list(range(1, len(asked) + 1))
    assert first[0] is None or len(asked) <= 2 * first[0] + 10
