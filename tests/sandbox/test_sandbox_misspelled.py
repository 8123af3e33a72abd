"""What a test arranges and can never happen, or asks and can never be, is refused: else it would pass and test nothing."""

from __future__ import annotations

from typing import Any

import pytest

from aiodoo.sandbox import Box, Fault, FaultRates, Plan, Request


@pytest.mark.parametrize(
    "slip",
    [
        {"on": "creat"},
        {"on": ("create", "creat")},
        {"on": ()},
        {"on": 5},
        {"team": 111},
        {"times": 0},
        {"times": -1},
        {"times": True},
        {"nth": 0},
        {"nth": 1.5},
        {"kind": "delete_ignored", "on": "create"},
        {"kind": "stale", "on": ("create", "delete")},
    ],
    ids=str,
)
def test_a_fault_that_can_never_happen_is_refused(slip: dict[str, Any]) -> None:
    """By what is wrong with it."""
    with pytest.raises(ValueError, match=next(name for name in slip if name != "kind")):
        Fault(**({"kind": "reset"} | slip))


@pytest.mark.parametrize("on", ["create", ["create"], ("create",), {"create"}])
def test_operations_come_in_any_form(on: Any) -> None:
    """A list is no other than a tuple."""
    assert Fault("reset", on=on).on == FaultRates(reset=1.0, on=on).on == ("create",)


@pytest.mark.parametrize(
    "slip",
    [
        {"lost_after": 1.1},
        {"lost_after": -0.1},
        {"lost_after": "0.1"},
        {"lost_after": float("nan")},
        {"lost_after": 0.6, "late": 0.6},
        {"lost_after": 0.1, "on": ("creat",)},
        {"lost_after": 0.1, "on": "creat"},
    ],
    ids=str,
)
def test_a_chance_that_is_none_is_refused(slip: dict[str, Any]) -> None:
    """Chances are from 0 to 1, and so is what they add up to."""
    with pytest.raises(ValueError, match=r"lost_after|on is"):
        FaultRates(**slip)


@pytest.mark.parametrize(
    "slip",
    [
        {"per_second": 0},
        {"per_second": -1},
        {"per_second": "1"},
        {"per_second": float("nan")},
        {"per_day": -1},
        {"per_day": 2.5},
        {"burst": 0},
        {"retry_after": "x"},
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_is_refused(slip: dict[str, Any]) -> None:
    """When it is made, and not when a request is to be counted."""
    with pytest.raises(ValueError, match=next(iter(slip))):
        Plan(**slip)


@pytest.mark.parametrize(
    "slip",
    [
        {"organizations": -1},
        {"teams_per_organization": -1},
        {"webhooks_per_team": -1},
        {"hook_types": "event_created"},
        {"webhooks_at_most": -1},
        {"rate_at_most": 0},
        {"existing_items": -1},
        {"token_refused_status": 200},
        {"token_refused_status": "403"},
    ],
    ids=str,
)
def test_a_box_that_cannot_be_is_refused(slip: dict[str, Any]) -> None:
    """By the name of the option."""
    with pytest.raises(ValueError, match=next(iter(slip))):
        Box(**slip)


def test_moments_that_never_come_are_refused() -> None:
    """Of an operation, or of a team, that there is none of."""
    box = Box(organizations=1)
    operation: Any = "creat"
    for arrange in (box.before, box.after):
        with pytest.raises(ValueError, match="creat"):
            arrange(operation, list)
        with pytest.raises(ValueError, match="999"):
            arrange("create", list, team="999")
    assert box.moments_left == 0


def test_a_fault_of_a_team_that_there_is_none_of_is_refused() -> None:
    """The box knows its teams."""
    with pytest.raises(ValueError, match="999"):
        Box(organizations=1).script(Fault("reset", team="999"))


def test_requests_of_no_kind_are_not_counted() -> None:
    """That there were none of a misspelled kind proves nothing."""
    box = Box(organizations=1)
    box.handle(Request("GET", "/v1/nowhere", headers={"x-api-key": box.api_key}), 0.0)
    assert box.count("unknown") == 1
    kind: Any = "creat"
    with pytest.raises(ValueError, match="creat"):
        box.count(kind)
    with pytest.raises(ValueError, match="creat"):
        box.log.count(kind)
