"""What a caller asks for, as values."""

from __future__ import annotations

import pytest

from aiodoo import AddWebhook, Create, Delete, Ensure, Hook, Replace, Update
from aiodoo.operations import Operation

HOOK = Hook(type="event_created", endpoint="https://crm.example/doo", extra={"new": [1]})
CONFIG = AddWebhook(name="crm", hooks=[HOOK])
MOVE = {"crm.example": "new.example"}


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (Create("1", CONFIG), Create(1, CONFIG), Create("2", CONFIG)),
        (Ensure("1", CONFIG), Ensure(1, CONFIG), Create("1", CONFIG)),
        (Update("1", "2", hosts=MOVE), Update(1, 2, hosts=dict(MOVE)), Update("1", "2", name="crm")),
        (Replace("1", "2", CONFIG), Replace(1, 2, CONFIG), Replace("1", "3", CONFIG)),
        (Delete("1", "2"), Delete(1, 2), Delete("1", "3")),
    ],
)
def test_operations_are_values(one: Operation, same: Operation, other: Operation) -> None:
    """Equal ones are one key of a dict, whatever they hold, so that outcomes can be kept by operation."""
    assert {one: "ended"}[same] == "ended"
    assert one != other
    assert other not in {one: "ended"}
