"""The steps of three webhooks with a twin pair, walked through each fault at each step, singly and in pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from imagined_team import ImaginedTeam, Script, config, doubtful, steps_for, wanted_at_rest

from aiodoo.operations import Create, Delete, Operation, Replace, Update
from aiodoo.operations.tracked import Status

LIVE = {"12": "twin", "13": "twin", "14": "other"}

SCENARIOS: dict[str, tuple[Operation, ...]] = {
    "creates": (Create("111", config("new")), Create("111", config("new")), Create("111", config("third"))),
    "updates": (
        Update("111", "12", name="twin2"),
        Update("111", "13", name="twin2"),
        Update("111", "14", name="other2"),
    ),
    "replaces onto a twin": (
        Replace("111", "12", config("other")),
        Update("111", "13", name="one"),
        Update("111", "14", name="one"),
    ),
    "deletes": (Delete("111", "12"), Delete("111", "14")),
    "mixed": (Create("111", config("new")), Update("111", "12", name="twin2"), Delete("111", "13")),
}


def run(operations: Sequence[Operation], faults: dict[int, int]) -> tuple[Script, Counter[str]]:
    """Walk one script of faults and judge it after every step; return the script and how the operations ended."""
    script = Script(faults)
    team = ImaginedTeam(dict(LIVE), script)
    steps = steps_for(*operations)
    named = {operation.webhook_id for operation in operations if hasattr(operation, "webhook_id")}
    wanted = wanted_at_rest(LIVE, operations)
    for _ in team.work(steps):
        judge_coverage(team, operations)
    assert not team.due, "a create landed after its change had ended"
    assert set(team.deleted) <= named, "a delete that no operation names"
    live = Counter(team.live.values())
    if doubtful(steps):
        judge_doubt(steps.changes, live, wanted)
    else:
        assert live == wanted
    return script, Counter(change.ending.value for change in steps.changes)


def judge_coverage(team: ImaginedTeam, operations: Sequence[Operation]) -> None:
    """Whatever is to stay, old or new, is live at this instant; twins are counted, not looked up."""
    deleted = {operation.webhook_id for operation in operations if isinstance(operation, Delete)}
    swaps = {
        operation.webhook_id: wanted_name(operation)
        for operation in operations
        if isinstance(operation, Update | Replace)
    }
    untouched = set(LIVE) - deleted - set(swaps)
    assert untouched <= set(team.live)
    fresh = Counter(name for webhook_id, name in team.live.items() if webhook_id not in LIVE)
    gone = Counter(name for webhook_id, name in swaps.items() if webhook_id not in team.live)
    assert not gone - fresh, f"{gone} went before {fresh} came"


def wanted_name(operation: Update | Replace) -> str:
    """Return the name that the operation gives."""
    return operation.changes["name"] if isinstance(operation, Update) else operation.config.name


def judge_doubt(changes: Sequence, live: Counter[str], wanted: Counter[str]) -> None:
    """Where something is not as wanted, no more is off than the operations that say so."""
    off = sum(change.status not in {Status.APPLIED, Status.UNCHANGED} for change in changes)
    missing, extra = wanted - live, live - wanted
    assert missing.total() <= off
    assert extra.total() <= off


def single_faults(operations: Sequence[Operation]) -> Iterator[dict[int, int]]:
    """Yield every script with one fault."""
    script, _ = run(operations, {})
    for number, choices in enumerate(script.choices):
        for choice in range(len(choices)):
            yield {number: choice}


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_faults_everything_is_applied(name: str) -> None:
    """Without faults every operation ends as applied."""
    _, ended = run(SCENARIOS[name], {})
    assert ended == {"applied": len(SCENARIOS[name])}


@pytest.mark.parametrize("name", SCENARIOS)
def test_any_one_fault(name: str) -> None:
    """One fault at any step: no gap, nothing doubled, nothing deleted unnamed, and all applied unless doo refused."""
    scripts = list(single_faults(SCENARIOS[name]))
    assert len(scripts) > 10
    for faults in scripts:
        script, ended = run(SCENARIOS[name], faults)
        ((number, choice),) = faults.items()
        if script.choices[number][choice] != "refused":
            assert ended == {"applied": len(SCENARIOS[name])}, faults


@pytest.mark.parametrize("name", SCENARIOS)
def test_any_two_faults(name: str) -> None:
    """Two faults, the second anywhere after the first, the steps that the first one causes included."""
    walked = 0
    for first in single_faults(SCENARIOS[name]):
        script, _ = run(SCENARIOS[name], first)
        (hit,) = first
        for number in range(hit + 1, script.asked):
            for choice in range(len(script.choices[number])):
                run(SCENARIOS[name], first | {number: choice})
                walked += 1
    assert walked > 80


@pytest.mark.parametrize("choice", range(5))
def test_a_fault_that_never_ends(choice: int) -> None:
    """The same fault at every create comes to an end, and the old webhooks stay."""
    operations = SCENARIOS["updates"]
    team = ImaginedTeam(dict(LIVE), lambda kind, choices: choices[choice] if kind == "create" else None)
    steps = steps_for(*operations)
    for number, _ in enumerate(team.work(steps)):
        judge_coverage(team, operations)
        assert number < 200
    assert steps.done
