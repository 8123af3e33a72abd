"""The forecast against the formula of requests, which is written by hand here."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imagined_team import config, listed

from aiodoo import Facts
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.operations.forecast import Requests, forecast_team, total


def pages(live: int, page_size: int) -> int:
    """Return how many pages a list has."""
    return max(1, math.ceil(live / page_size))


def stable(live: int, page_size: int) -> int:
    """Return what a stable list costs."""
    return pages(live, page_size) * (1 if pages(live, page_size) == 1 else 2)


def formula(webhooks: int, page_size: int, updates: int) -> Requests:
    """Work out by hand what it costs to update the first webhooks of a list that shows new ones first, within a minute."""
    lists, done = 2 * stable(webhooks, page_size), 0
    while done < updates:
        # Whole pages while they fit: a batch ends with a page, or with the last update.
        ends = [
            end for end in range(done, min(done + 25, updates) + 1) if end == updates or not end % page_size
        ]
        size = max(ends) - done
        new = set(range(pages(size, page_size)))
        old = {place // page_size for place in range(done + size, done + 2 * size)}
        lists += min(pages(webhooks + size, page_size), len(new | old))
        done += size
    return Requests(lists=lists, creates=updates, deletes=updates)


@pytest.mark.parametrize("page_size", [1, 5, 7, 12, 25])
@pytest.mark.parametrize("webhooks", [1, 10, 24, 25, 26, 49, 60, 110, 131])
def test_the_forecast_of_updates_is_the_formula(webhooks: int, page_size: int) -> None:
    """For any team and part of it from the first webhook on the forecast equals the formula."""
    there = [listed(f"w{number}", f"id-{number}") for number in range(webhooks)]
    for updates in {1, webhooks // 3, webhooks - 1, webhooks} - {0}:
        operations = [Update("111", f"id-{number}", name="moved") for number in range(updates)]
        forecast = forecast_team("111", operations, there, page_size=page_size, facts=Facts())
        assert forecast.requests == formula(webhooks, page_size, updates), (webhooks, page_size, updates)


@settings(max_examples=100, deadline=None)
@given(
    webhooks=st.integers(0, 60),
    page_size=st.sampled_from([7, 25]),
    new=st.sampled_from(["first", "last", "anywhere", None]),
    creates=st.integers(0, 30),
    data=st.data(),
)
def test_a_forecast_is_at_most_a_list_for_every_page_of_updates(
    webhooks: int,
    page_size: int,
    new: Any,
    creates: int,
    data: st.DataObject,
) -> None:
    """For any mix it counts each create and delete, and no more than whole lists for as many batches as there are pages."""
    updates = data.draw(st.integers(0, webhooks))
    deletes = data.draw(st.integers(0, webhooks - updates))
    operations: list[Operation] = [Create("111", config("new"))] * creates
    operations += [Update("111", f"id-{number}", name="moved") for number in range(updates)]
    operations += [Delete("111", f"id-{updates + number}") for number in range(deletes)]
    forecast = forecast_team(
        "111",
        data.draw(st.permutations(operations)),
        [listed(f"w{number}", f"id-{number}") for number in range(webhooks)],
        page_size=page_size,
        facts=Facts(new_webhooks=new),
    )
    lists, live = stable(webhooks, page_size) if operations else 0, webhooks + creates
    if updates or deletes:
        batches = pages(updates, page_size) + 1 if updates else 0
        lists += stable(live - deletes, page_size) + batches * pages(live + 25, page_size)
    assert forecast.requests.lists <= lists
    assert (forecast.requests.creates, forecast.requests.deletes) == (creates + updates, deletes + updates)
    assert forecast.counts == ({"applied": len(operations)} if operations else {})


@pytest.mark.parametrize("new", ["first", "last"])
@pytest.mark.parametrize("webhooks", [110, 111, 125, 126, 131, 133, 151, 250, 1000])
def test_an_update_costs_at_most_two_and_a_third_requests(webhooks: int, new: Any) -> None:
    """At one request a second, from 110 webhooks on, all lists included."""
    there = [listed(f"w{number}", f"id-{number}") for number in range(webhooks)]
    operations = [Update("111", f"id-{number}", name="moved") for number in range(webhooks)]
    facts = Facts(new_webhooks=new)
    forecast = forecast_team("111", operations, there, page_size=25, facts=facts, interval=1.0)
    assert forecast.requests.total <= 2.35 * webhooks


def test_a_forecast_keeps_fields_that_nobody_knows() -> None:
    """A copy with unknown fields is compared whole in the imaginary team as well."""
    wanted = config("a")
    strange = type(wanted).from_dict(
        wanted.to_dict()
        | {"colour": "blue", "hooks": [{"type": "x", "endpoint": "https://a.example", "weight": 1}]}
    )
    forecast = forecast_team(
        "111", [Create("111", strange), Delete("111", "12")], [listed("b", "12")], page_size=25, facts=Facts()
    )
    assert forecast.counts == {"applied": 2}


def test_forecasts_add_up_and_have_a_price_in_time() -> None:
    """Ten requests at two a second take five seconds and, at forty a day, a quarter of one."""
    one = forecast_team("111", [Create("111", config("a"))] * 4, [], page_size=None, facts=Facts())
    both = total([one, one], per_second=2, per_day=40)
    assert both.requests == Requests(lists=2, creates=8)
    assert both.counts == {"applied": 8}
    assert (both.seconds, both.days) == (5.0, 0.25)
