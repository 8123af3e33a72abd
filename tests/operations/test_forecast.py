"""The forecast against the formula of requests, which is written by hand here."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from imagined_team import config, listed

from aiodoo import Facts
from aiodoo.operations import Create, Delete, Operation, Update
from aiodoo.operations.forecast import Requests, forecast_team, total


def formula(webhooks: int, page_size: int, creates: int, updates: int, deletes: int) -> Requests:
    """Work out the requests by hand; a list has as many pages as the team needs at that moment."""

    def pages(live: int) -> int:
        return max(1, math.ceil(live / page_size))

    def stable(live: int) -> int:
        return pages(live) if pages(live) == 1 else 2 * pages(live)

    lists = stable(webhooks) if creates or updates or deletes else 0
    if updates or deletes:
        live = webhooks + creates
        for batch in range(0, updates, 10):
            lists += pages(live + min(10, updates - batch))
        lists += stable(live - deletes)
    return Requests(lists=lists, creates=creates + updates, deletes=deletes + updates)


@settings(max_examples=200, deadline=None)
@given(
    webhooks=st.integers(0, 60),
    page_size=st.sampled_from([7, 25]),
    creates=st.integers(0, 30),
    data=st.data(),
)
def test_the_forecast_is_the_formula(
    webhooks: int, page_size: int, creates: int, data: st.DataObject
) -> None:
    """For any team and any mix of creates, updates and deletes the forecast equals the formula."""
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
        facts=Facts(),
    )
    assert forecast.requests == formula(webhooks, page_size, creates, updates, deletes)
    assert forecast.counts == ({"applied": len(operations)} if operations else {})


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
