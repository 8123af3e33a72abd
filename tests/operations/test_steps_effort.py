"""What the steps of a large team cost, counted in function calls, as these do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from effort import calls
from imagined_team import config

from aiodoo import Facts, WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Operation, Update
from aiodoo.operations.forecast import TeamForecast, forecast_team
from aiodoo.operations.tracked import TrackedOperation


def walked(make: Callable[[int], Operation], changes: int) -> int:
    """Count the calls that it takes to walk all steps of so many changes on webhooks that are there."""
    listed = [
        WebhookConfiguration.showing(config(f"w{number}"), team_id="111", webhook_id=str(number))
        for number in range(changes)
    ]
    operations = [make(number) for number in range(changes)]
    return calls(lambda: forecast_team("111", operations, listed, page_size=25, facts=Facts()))


def test_ensures_of_one_name_are_not_compared_with_every_webhook_of_that_name() -> None:
    """Four times as many webhooks of one name, and as many Ensures of other contents, take four times as many calls."""

    def walked(twins: int) -> int:
        listed = [
            WebhookConfiguration.showing(
                attrs.evolve(config("twin"), description=f"is {number}"),
                team_id="111",
                webhook_id=str(number),
            )
            for number in range(twins)
        ]
        operations = [
            Ensure("111", attrs.evolve(config("twin"), description=f"is {number}"))
            for number in range(twins // 2, twins + twins // 2)
        ]

        def work() -> None:
            found = forecast_team("111", operations, listed, page_size=25, facts=Facts())
            assert found.counts == {"unchanged": twins - twins // 2, "applied": twins // 2}

        return calls(work)

    assert walked(160) < 5 * walked(40)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: Create("111", config(f"new {number}")),
        lambda number: Ensure("111", config(f"w{number}")),
        lambda number: Ensure("111", config(f"new {number}")),
        lambda number: Delete("111", str(number)),
        lambda number: Update("111", str(number), name=f"v{number}"),
    ],
    ids=["create", "ensure what is there", "ensure what is missing", "delete", "update"],
)
def test_the_effort_grows_with_the_number_of_changes_not_with_its_square(
    make: Callable[[int], Operation],
) -> None:
    """Four times as many changes in one team take about four times as many calls."""
    assert walked(make, 400) < 5 * walked(make, 100)


def longest_portion(changes: int) -> int:
    """Count the calls of the longest portion in which a forecast of so many updates is made."""
    listed = [
        WebhookConfiguration.showing(config(f"w{number}"), team_id="111", webhook_id=str(number))
        for number in range(changes)
    ]
    operations = [Update("111", str(number), name=f"v{number}") for number in range(changes)]
    tracked = [TrackedOperation(number=number, operation=each) for number, each in enumerate(operations)]
    portions = TeamForecast("111", tracked, listed, page_size=25, facts=Facts()).portions()
    longest, more = 0, True

    def work() -> None:
        nonlocal more
        more = next(portions, portions) is None

    while more:
        longest = max(longest, calls(work))
    return longest


def test_a_team_of_thousands_keeps_nobody_waiting() -> None:
    """Four times as many updates in one team take more portions, and not longer ones but for a glance at each webhook."""
    assert longest_portion(800) < 2 * longest_portion(200)
