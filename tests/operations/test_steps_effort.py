"""What the steps of a large team cost, counted in function calls, as these do not depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from imagined_team import config

from aiodoo import Facts, WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Operation, Update
from aiodoo.operations.forecast import forecast_team


def calls(work: Callable[[], object]) -> int:
    """Count the calls of Python functions in a piece of work."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def walked(make: Callable[[int], Operation], changes: int) -> int:
    """Count the calls that it takes to walk all steps of so many changes on webhooks that are there."""
    listed = [
        WebhookConfiguration.showing(config(f"w{number}"), team_id="111", webhook_id=str(number))
        for number in range(changes)
    ]
    operations = [make(number) for number in range(changes)]
    return calls(lambda: forecast_team("111", operations, listed, page_size=25, facts=Facts()))


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
