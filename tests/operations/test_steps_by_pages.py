"""Updates and deletes in a team of several pages, in every order of its list, while others change it between the steps.

Every place in a walk is tried for what somebody else does once: create, delete or edit something, which also moves the
rest of the list from page to page. By default each takes every seventh case; all of them with

    AIODOO_EXHAUSTIVE=1 python -m pytest tests/operations/test_steps_by_pages.py
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest
from imagined_team import ORDERS, ImaginedTeam, Script, steps_for

from aiodoo.operations import Delete, Operation, Update
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status

STRIDE = 1 if os.environ.get("AIODOO_EXHAUSTIVE") else 7
"""Every how manieth case is walked."""

IDS = [str(number) for number in range(10, 21)]
LIVE = {webhook_id: f"w{webhook_id}" for webhook_id in IDS}
NAMED = ("10", "11", "13", "14", "17", "20")
DELETED = ("12", "19")
OPERATIONS: tuple[Operation, ...] = (
    *(Update("111", each, name=f"v{each}") for each in NAMED),
    *(Delete("111", each) for each in DELETED),
)


@attrs.define
class Others:
    """Somebody else, who does one thing before one of the requests.

    Attributes:
        at: the number of the request.
        what: what they do: "create", "delete" or "edit".
        which: to which of the webhooks, of those that the team has then, in the order of their creation.
        touched: the ids of what they have deleted or edited.
    """

    at: int
    what: str
    which: int
    touched: set[str] = attrs.field(factory=set)

    def __call__(self, team: ImaginedTeam, _asked: int) -> None:
        """Do it if it is time."""
        self.at -= 1
        if self.at != -1:
            return
        if self.what == "create":
            team.add(f"theirs-{self.which}", ["a", "v10", "z"][self.which % 3])
            return
        webhook_id = sorted(team.live, key=team.born.__getitem__)[self.which % len(team.live)]
        self.touched.add(webhook_id)
        if self.what == "delete":
            team.take(webhook_id)
        else:
            team.live[webhook_id] = f"edited {team.live[webhook_id]}"


@attrs.define
class Both:
    """Two others, who each do one thing."""

    one: Others
    other: Others

    @property
    def touched(self) -> set[str]:
        """The ids of what they have deleted or edited."""
        return self.one.touched | self.other.touched

    def __call__(self, team: ImaginedTeam, asked: int) -> None:
        """Let each do it if it is time."""
        self.one(team, asked)
        self.other(team, asked)


@attrs.define
class Walk:
    """One walk, and how it is judged: by the truth of the team after each step.

    Attributes:
        others: what somebody else does.
        team: the team.
        steps: the steps.
    """

    others: Others | Both
    team: ImaginedTeam
    steps: TeamSteps
    deleted: int = 0

    def judge_step(self) -> None:
        """See that nothing was deleted that had to stay, and each delete right after both were seen as they were."""
        team, touched = self.team, self.others.touched
        wanted = Counter(team.live.values())
        for webhook_id in IDS:
            if webhook_id in team.live or webhook_id in touched or webhook_id in DELETED:
                continue
            assert webhook_id in NAMED, f"{webhook_id} is gone"
            made = {change.new_id for change in self.steps.changes if change.old_id == webhook_id}
            assert wanted[f"v{webhook_id}"] or made & touched, f"{webhook_id} is gone and has no replacement"
        for webhook_id in team.deleted[self.deleted :]:
            self._judge_delete(webhook_id)
        self.deleted = len(team.deleted)

    def _judge_delete(self, webhook_id: str) -> None:
        team = self.team
        assert webhook_id in NAMED or webhook_id in DELETED
        at, name = team.shown[webhook_id]
        assert name == team.first_shown[webhook_id], "it was edited, and deleted nevertheless"
        assert team.now - at <= 60.0
        (change,) = (change for change in self.steps.changes if change.old_id == webhook_id)
        if change.is_replacement:
            assert change.new_id is not None
            seen, as_name = team.shown[change.new_id]
            assert as_name == f"v{webhook_id}"
            assert team.now - seen <= 60.0
            assert change.new_id not in team.missing, "a page has shown that its replacement is gone"

    def judge_end(self) -> None:
        """See that every operation says how it has ended, and that nothing is live that none of them accounts for."""
        team, touched = self.team, self.others.touched
        off = 0
        for change in self.steps.changes:
            off += not change.ending.fine
            if not change.ending.fine:
                continue
            assert change.old_id not in team.live, f"{change.old_id} is live"
            if change.is_replacement and change.new_id not in touched:
                assert team.live[change.new_id or ""] == f"v{change.old_id}"
        ours = {each for change in self.steps.changes for each in (change.new_id, change.stray)}
        strange = [each for each in team.live if each.startswith("new-") and each not in ours]
        assert len(strange) <= off, strange


def walked(
    order: str,
    others: Others | Both,
    *,
    page_size: int = 3,
    max_pairs: int = 3,
    fault: Callable[[str, Sequence[str]], str | None] = lambda _kind, _choices: None,
) -> Walk:
    """Walk all steps, judged after each."""
    team = ImaginedTeam(dict(LIVE), fault, page_size=page_size, order=order, others=others)
    walk = Walk(others, team, steps_for(*OPERATIONS, max_pairs=max_pairs))
    for number, _ in enumerate(team.work(walk.steps)):
        walk.judge_step()
        assert number < 400
    walk.judge_end()
    return walk


def cases(page_size: int) -> Iterator[tuple[int, str, int]]:
    """Yield when, what and to which."""
    for at in range(42 - 4 * page_size):
        yield from ((at, "create", which) for which in range(3))
        yield from ((at, what, which) for what in ("delete", "edit") for which in range(len(IDS) + 2))


@pytest.mark.parametrize("page_size", [2, 3, 5])
@pytest.mark.parametrize("order", ORDERS)
def test_whatever_somebody_else_does_between_any_two_steps(order: str, page_size: int) -> None:
    """No original is deleted that was not seen unchanged beside its live replacement, and every end is true."""
    ended = Counter[Status]()
    for number, (at, what, which) in enumerate(cases(page_size)):
        if (number + page_size) % STRIDE == 0:
            walk = walked(order, Others(at, what, which), page_size=page_size)
            ended.update(change.ending for change in walk.steps.changes)
    if order != "unstable":
        assert ended[Status.APPLIED] > 0.8 * ended.total()


@pytest.mark.parametrize("order", ORDERS)
def test_a_fault_and_somebody_else(order: str) -> None:
    """A fault at any request and what somebody else does right before or after it."""
    script = Script({})
    walked(order, Others(-1, "create", 0), fault=script)
    number = 0
    for hit, choices in enumerate(script.choices):
        for choice in range(len(choices)):
            for what, which in (("create", 0), ("delete", 3), ("edit", 3), ("delete", -1), ("edit", -1)):
                for at in (hit, hit + 1):
                    number += 1
                    if number % (4 * STRIDE) == 0:
                        walked(order, Others(at, what, which), fault=Script({hit: choice}))


@pytest.mark.parametrize("page_size", [2, 3])
@pytest.mark.parametrize("order", ["first", "last"])
def test_a_replacement_that_somebody_deletes_is_looked_for_where_it_should_be(
    order: str, page_size: int
) -> None:
    """Nothing is deleted whose replacement a page lacks since, be it that pages have moved, or are read for another."""
    number = 0
    for first in range(4, 22):
        for then in range(first, 26):
            for which, other in itertools.product(range(-6, 0), repeat=2):
                number += 1
                if number % (12 * STRIDE) == 0:
                    others = Both(Others(first, "delete", which), Others(then, "delete", other))
                    walked(order, others, page_size=page_size, max_pairs=6)


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("page_size", [2, 3])
def test_pages_are_enough_where_new_ones_go_first_or_last(order: str, page_size: int) -> None:
    """Without others and faults only the first and the last list are whole, and everything is applied."""
    scans: list[tuple[int, ...]] = []
    team = ImaginedTeam(dict(LIVE), lambda _kind, _choices: None, page_size=page_size, order=order)
    steps = steps_for(*OPERATIONS, max_pairs=page_size)
    listed = steps.listed

    def counting(*args: object, **options: object) -> None:
        assert steps._pending_scan is not None
        scans.append(steps._pending_scan.pages)
        listed(*args, **options)  # type: ignore[arg-type]

    steps.listed = counting  # type: ignore[method-assign]
    for _ in team.work(steps):
        pass
    assert [change.status for change in steps.changes] == [Status.APPLIED] * len(OPERATIONS)
    assert [place for place, pages in enumerate(scans) if not pages] == [0, len(scans) - 1]
