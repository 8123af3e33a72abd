"""What the steps do in which order, one team at a time."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from imagined_team import ImaginedTeam, config, listed, steps_for

from aiodoo import ApiError, Facts, NotFound, OutcomeUnknown, PermissionDenied, TransportError
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.actions import Park, Scan, SendCreate, SendDelete, Wait
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Stage, Status, TrackedOperation


def looked(steps: TeamSteps, *webhooks: str, pages: int = 1) -> TeamSteps:
    """Give the steps a baseline: webhooks "12", "13" ... with these names."""
    assert steps.next(0.0) == Scan(stable=True)
    listing = [listed(name, str(number)) for number, name in enumerate(webhooks, 12)]
    steps.listed(listing, pages=pages, began=0.0, now=0.0)
    return steps


def sends(steps: TeamSteps, now: float = 0.0, left: int | None = None) -> list[SendCreate | SendDelete]:
    """Return everything that may be on its way at once."""
    found = []
    while isinstance(action := steps.next(now, left), SendCreate | SendDelete):
        found.append(action)
    return found


def carried_out(live: dict[str, str], *operations: Operation) -> tuple[TeamSteps, ImaginedTeam]:
    """Carry out operations without faults."""
    team = ImaginedTeam(dict(live), lambda kind, choices: None)
    steps = steps_for(*operations)
    for _ in team.work(steps):
        pass
    return steps, team


def test_the_team_is_looked_at_before_anything_is_sent() -> None:
    """The first step is a stable list, whatever the operations are, and nothing else meanwhile."""
    steps = steps_for(Create("111", config("a")), Delete("111", "12"))
    assert steps.next(0.0) == Scan(stable=True)
    assert steps.next(0.0) is None


def test_creates_go_out_together_and_need_no_further_list() -> None:
    """Plain creates may all be on their way at once, and end with their answers."""
    steps = looked(steps_for(*(Create("111", config(name)) for name in "abc")))
    creates = sends(steps)
    assert [action.config.name for action in creates] == ["a", "b", "c"]
    for number, action in enumerate(creates):
        steps.applied(action.change, f"new-{number}", 1.0)
    assert steps.done
    assert [change.new_id for change in steps.changes] == ["new-0", "new-1", "new-2"]


@pytest.mark.parametrize("most", [1, 10, 25])
def test_only_so_many_pairs_are_live_at_once(most: int) -> None:
    """Never more old webhooks are live beside their replacements than `max_pairs` says."""
    names = [f"w{number}" for number in range(23)]
    operations = [Update("111", str(12 + number), name=f"v{number}") for number in range(23)]
    steps = looked(steps_for(*operations, max_pairs=most), *names)
    assert len(sends(steps)) == min(most, 23)
    live = 0
    team = ImaginedTeam(
        {str(12 + number): name for number, name in enumerate(names)}, lambda kind, choices: None
    )
    for _ in team.work(steps_for(*operations, max_pairs=most)):
        live = max(live, len(team.live) - 23)
    assert live == min(most, 23)
    assert sorted(team.live.values()) == sorted(f"v{number}" for number in range(23))


def test_the_old_webhook_is_deleted_only_after_a_list_showed_the_new_one() -> None:
    """Create, list, delete, list: each only when the one before has its answer."""
    steps = looked(steps_for(Update("111", "12", name="b")), "a")
    (create,) = sends(steps)
    steps.applied(create.change, "20", 1.0)
    assert steps.next(1.0) == Scan(stable=False)
    assert steps.next(1.0) is None
    steps.listed([listed("a", "12"), listed("b", "20")], pages=1, began=1.0, now=2.0)
    (delete,) = sends(steps)
    assert delete.webhook_id == "12"
    steps.applied(delete.change, None, 3.0)
    assert steps.next(3.0) == Scan(stable=True)
    steps.listed([listed("b", "20")], pages=1, began=3.0, now=4.0)
    assert steps.done
    assert steps.changes[0].status is Status.APPLIED


def test_a_copy_that_differs_from_what_was_sent_keeps_the_old_one() -> None:
    """If doo shows another content than was sent, nothing is deleted and both ids are named."""
    steps = looked(steps_for(Update("111", "12", name="b")), "a")
    (create,) = sends(steps)
    steps.applied(create.change, "20", 1.0)
    steps.next(1.0)
    steps.listed([listed("a", "12"), listed("c", "20")], pages=1, began=1.0, now=2.0)
    assert steps.done
    change = steps.changes[0]
    assert change.status is Status.FAILED
    assert change.reason == "doo lists 20 with another $.name than was sent; it and 12 are both live"


def test_a_create_in_doubt_is_not_repeated_before_it_can_no_longer_land() -> None:
    """After a lost answer nothing is sent for 130 s, and a quarter more, by which lists may lag; then a stable list decides."""
    steps = looked(steps_for(Create("111", config("a"))))
    (create,) = sends(steps)
    steps.in_doubt(create.change, TransportError("no answer"), 5.0)
    action = steps.next(5.0)
    assert isinstance(action, Wait)
    assert action.until == 167.5
    assert steps.next(167.5) == Scan(stable=True)
    steps.listed([], pages=1, began=167.5, now=168.5)
    (again,) = sends(steps, 168.5)
    assert again.config.name == "a"


def test_a_create_in_doubt_that_is_listed_is_adopted() -> None:
    """A webhook with the wanted content that was not there before is the one that was created."""
    steps = looked(steps_for(Create("111", config("a"))), "a")
    (create,) = sends(steps)
    steps.in_doubt(create.change, TransportError("no answer"), 5.0)
    steps.next(167.5)
    steps.listed([listed("a", "12"), listed("a", "13")], pages=1, began=167.5, now=168.5)
    assert steps.done
    assert steps.changes[0].new_id == "13"


def test_what_a_create_may_have_made_is_named_once() -> None:
    """Of two creates of one name, each names one of the two that have appeared with other content, and others name none."""
    steps = looked(steps_for(*(Create("111", config(name)) for name in ("a", "a", "b"))), "a")
    for create in sends(steps):
        steps.in_doubt(create.change, TransportError("no answer"), 5.0)
    steps.next(167.5)
    others = [attrs.evolve(listed("a", number), description="edited", hooks=[]) for number in ("20", "21")]
    steps.listed([listed("a", "12"), *others], pages=1, began=167.5, now=168.5)
    for number, again in enumerate(sends(steps, 168.5)):
        steps.applied(again.change, f"new-{number}", 169.0)
    first, second, third = steps.changes
    assert first.reason is not None
    assert first.reason.startswith("20 has appeared")
    assert second.reason is not None
    assert second.reason.startswith("21 has appeared")
    assert third.status is Status.APPLIED
    assert third.reason is None


def test_deletes_wait_for_creates_in_doubt() -> None:
    """What is deleted may be what the doubtful create takes the place of."""
    steps = looked(steps_for(Create("111", config("b")), Delete("111", "12")), "a")
    (create,) = sends(steps)
    steps.in_doubt(create.change, TransportError("no answer"), 5.0)
    assert isinstance(steps.next(6.0), Wait)


def test_an_id_that_is_taken_is_no_answer_to_a_create() -> None:
    """If doo answers a create with the id of another webhook, its outcome is in doubt."""
    steps = looked(steps_for(Create("111", config("b"))), "a")
    (create,) = sends(steps)
    steps.applied(create.change, "12", 1.0)
    assert steps.changes[0].stage is Stage.MAYBE
    assert isinstance(steps.changes[0].error, OutcomeUnknown)


def test_operations_on_one_webhook_go_in_order_and_follow_it() -> None:
    """The second update takes the first one's copy, and the delete takes the second's."""
    steps, team = carried_out(
        {"12": "a"}, Update("111", "12", name="b"), Update("111", "12", name="c"), Delete("111", "12")
    )
    assert [change.status for change in steps.changes] == [Status.APPLIED] * 3
    assert team.live == {}
    assert team.deleted == ["12", "new-1", "new-2"]


def test_what_follows_an_operation_that_did_not_finish_is_skipped() -> None:
    """A second operation on a webhook is not begun when the first one failed."""
    steps = looked(steps_for(Update("111", "12", name="b"), Delete("111", "12")), "a")
    (create,) = sends(steps)
    steps.refused(create.change, TransportError("not sent", sent=False), 1.0)
    assert steps.next(1.0) is None
    assert [change.status for change in steps.changes] == [Status.FAILED, Status.SKIPPED]


def test_an_update_after_a_delete_is_skipped_and_a_second_delete_changes_nothing() -> None:
    """What an earlier operation deleted is gone for the later ones."""
    steps, _ = carried_out(
        {"12": "a"}, Delete("111", "12"), Delete("111", "12"), Update("111", "12", name="b")
    )
    assert [change.status for change in steps.changes] == [Status.APPLIED, Status.UNCHANGED, Status.SKIPPED]


def test_a_webhook_that_is_not_there() -> None:
    """An update of a webhook that is not listed is skipped with NotFound; a delete has nothing to change."""
    steps, team = carried_out({"12": "a"}, Update("111", "99", name="b"), Delete("111", "98"))
    update, delete = steps.changes
    assert (update.status, delete.status) == (Status.SKIPPED, Status.UNCHANGED)
    assert isinstance(update.error, NotFound)
    assert team.deleted == []


def test_an_update_that_changes_nothing_sends_nothing() -> None:
    """A webhook that already is as wanted keeps its id."""
    steps, team = carried_out({"12": "a"}, Update("111", "12", name="a"), Replace("111", "12", config("a")))
    assert [(change.status, change.new_id) for change in steps.changes] == [(Status.UNCHANGED, "12")] * 2
    assert team.made == 0


def test_ensure_counts_what_is_there() -> None:
    """Of three equal wishes two are met by what is there, and one is created."""
    wishes = [Ensure("111", config("a"))] * 3
    steps, team = carried_out({"12": "a", "13": "a", "14": "b"}, *wishes)
    assert [change.status for change in steps.changes] == [Status.UNCHANGED, Status.UNCHANGED, Status.APPLIED]
    assert team.creates == {"a": 1}


def test_ensure_does_not_count_on_what_another_operation_takes_away() -> None:
    """An equal webhook that is about to be deleted does not meet the wish."""
    steps, team = carried_out({"12": "a"}, Ensure("111", config("a")), Delete("111", "12"))
    assert [change.status for change in steps.changes] == [Status.APPLIED] * 2
    assert list(team.live.values()) == ["a"]


def test_ensure_does_not_count_on_what_a_create_in_doubt_may_have_made() -> None:
    """Gone on with by another process, a lost create takes what it made first; only then is it seen what is there."""
    changes = (
        TrackedOperation(number=0, operation=Create("111", config("a")), stage=Stage.MAYBE, creates_sent=1),
        TrackedOperation(number=1, operation=Ensure("111", config("a"))),
    )
    for change in changes:
        change.resume(0.0)
    steps = looked(TeamSteps(team_id="111", changes=changes, facts=Facts(), known=set()), "a")
    assert (changes[0].status, changes[0].new_id) == (Status.APPLIED, "12")
    (create,) = sends(steps)
    assert create.change is changes[1]


def test_a_list_from_before_a_webhook_was_made_does_not_prove_that_it_is_gone() -> None:
    """A list that still shows what an update replaced may be older than the update."""
    steps = looked(steps_for(Update("111", "12", name="b"), Delete("111", "12")), "a")
    (create,) = sends(steps)
    steps.applied(create.change, "20", 1.0)
    steps.next(1.0)
    steps.listed([listed("a", "12"), listed("b", "20")], pages=1, began=1.0, now=1.0)
    for _ in range(2):
        (delete,) = sends(steps)
        steps.applied(delete.change, None, 2.0)
    assert steps.next(2.0) == Scan(stable=True)
    steps.listed([listed("a", "12")], pages=1, began=2.0, now=2.0)
    assert steps.changes[1].status is None
    (again,) = sends(steps, 2.0)
    steps.applied(again.change, None, 3.0)
    wait = steps.next(3.0)
    assert isinstance(wait, Wait)
    assert steps.next(wait.until) == Scan(stable=True)
    steps.listed([], pages=1, began=wait.until, now=wait.until)
    assert [change.status for change in steps.changes] == [Status.APPLIED, Status.APPLIED]


def test_a_list_read_right_after_a_second_delete_ends_nothing() -> None:
    """It shows what was replaced and not the replacement, as an old page does: it is read again until a list cannot lag."""
    steps = looked(steps_for(Update("111", "12", name="b")), *"axdefghijk")
    (create,) = sends(steps)
    steps.applied(create.change, "90", 1.0)
    before = [listed(name, str(number)) for number, name in enumerate("axdefghijk", 12)]
    new = listed("b", "90")
    steps.next(1.0)
    for now in (1.0, 200.0):
        steps.listed([*before, new], pages=1, began=now, now=now)
        delete = steps.next(now)
        assert isinstance(delete, SendDelete)
        steps.applied(delete.change, None, now)
        steps.next(now + 190.0 if now == 1.0 else now)
    (change,) = steps.changes
    assert change.deletes_sent == 2
    steps.listed(before, pages=1, began=201.0, now=201.0)
    assert (change.status, isinstance(steps.next(201.0), Wait)) == (None, True)
    assert steps.next(210.0) == Scan(stable=True)
    steps.listed([*before[1:], new], pages=1, began=210.0, now=210.0)
    assert change.status is Status.APPLIED


@pytest.mark.parametrize("operation", [Update("111", "12", name="b"), Delete("111", "12")])
def test_what_a_list_shows_is_not_gone_although_the_run_was_interrupted_meanwhile(
    operation: Operation,
) -> None:
    """A list that was being read then decides nothing: the next one shows that doo ignored the delete, which is repeated."""
    steps = looked(steps_for(operation), "a", "c")
    live = [listed("c", "13")]
    if isinstance(operation, Update):
        (create,) = sends(steps)
        steps.applied(create.change, "20", 1.0)
        live.append(listed("b", "20"))
        assert steps.next(1.0) == Scan(stable=False)
        steps.listed([listed("a", "12"), *live], pages=1, began=1.0, now=2.0)
    (delete,) = sends(steps, 2.0)
    steps.applied(delete.change, None, 3.0)
    assert steps.next(3.0) == Scan(stable=True)
    steps.interrupted(3.5)
    steps.listed([listed("a", "12"), *live], pages=1, began=3.0, now=4.0)
    assert not steps.done
    assert steps.next(4.0) == Scan(stable=True)
    steps.listed([listed("a", "12"), *live], pages=1, began=4.0, now=5.0)
    (again,) = sends(steps, 5.0)
    assert again.webhook_id == "12"
    steps.applied(again.change, None, 6.0)
    assert steps.next(6.0) == Scan(stable=True)
    steps.listed(live, pages=1, began=6.0, now=7.0)
    assert steps.done
    assert steps.changes[0].status is Status.APPLIED


def test_a_batch_that_somebody_elses_edit_ends_before_it_begins_is_followed_by_the_next_one() -> None:
    """There is always a next action while an operation is open and nothing is on its way."""
    operations = [Update("111", number, description="moved") for number in ("14", "13", "12")]
    steps = looked(steps_for(*operations, max_pairs=1), "a", "b", "c")
    (create,) = sends(steps)
    assert create.change.old_id == "12"
    steps.applied(create.change, "20", 1.0)
    moved = attrs.evolve(listed("a", "20"), description="moved")
    others = [attrs.evolve(listed("b", "13"), name="edited"), listed("c", "14")]
    assert steps.next(1.0) == Scan(stable=False)
    steps.listed([listed("a", "12"), *others, moved], pages=1, began=1.0, now=2.0)
    (delete,) = sends(steps, 2.0)
    steps.applied(delete.change, None, 3.0)
    (create,) = sends(steps, 3.0)
    assert create.change.old_id == "14"
    assert [change.status for change in steps.changes] == [None, Status.SKIPPED, None]


def test_what_a_list_shows_is_not_taken_for_deleted_by_others_after_an_interruption() -> None:
    """The old webhook is deleted although the run was interrupted while the list was read that shows it beside its copy."""
    steps = looked(steps_for(Update("111", "12", name="b")), "a")
    (create,) = sends(steps)
    steps.applied(create.change, "20", 1.0)
    assert steps.next(1.0) == Scan(stable=False)
    steps.interrupted(1.5)
    both = [listed("a", "12"), listed("b", "20")]
    steps.listed(both, pages=1, began=1.0, now=2.0)
    assert not steps.done
    assert steps.next(2.0) == Scan(stable=False)
    steps.listed(both, pages=1, began=2.0, now=3.0)
    (delete,) = sends(steps, 3.0)
    assert delete.webhook_id == "12"


def test_what_was_replaced_is_kept_if_a_late_list_shows_it_and_not_its_replacement() -> None:
    """Lists do not lag that long: the replacements are gone, and the last live copies are never deleted."""
    operations = [
        Update("111", "12", name="b"),
        Update("111", "13", name="c"),
        Update("111", "12", name="bb"),
        Delete("111", "13"),
    ]
    steps = looked(steps_for(*operations), "a", "x", *"defghijk")
    for webhook_id, create in zip(("90", "91"), sends(steps), strict=True):
        steps.applied(create.change, webhook_id, 1.0)
    both = [listed(name, str(number)) for number, name in enumerate("axdefghijk", 12)]
    new = [listed("b", "90"), listed("c", "91")]
    steps.next(1.0)
    steps.listed([*both, *new], pages=1, began=1.0, now=1.0)
    for delete in [steps.next(1.0), steps.next(1.0)]:
        assert isinstance(delete, SendDelete)
        steps.applied(delete.change, None, 1.0)
    third = steps.next(1.0)
    assert isinstance(third, SendCreate)
    steps.in_doubt(third.change, TransportError("no answer"), 1.0)
    assert isinstance(steps.next(1.0), Wait)
    assert steps.next(170.0) == Scan(stable=True)
    steps.listed(both, pages=1, began=170.0, now=170.0)
    assert sends(steps, 170.0) == []
    first, second, third, fourth = steps.changes
    assert [first.status, second.status] == [Status.SKIPPED, Status.SKIPPED]
    assert [str(change.error) for change in (first, second)] == [
        "90, its replacement, is no longer listed; 12 was kept",
        "91, its replacement, is no longer listed; 13 was kept",
    ]
    assert steps.done
    assert (third.status, fourth.status) == (Status.SKIPPED, Status.SKIPPED)


def test_an_update_ends_with_the_list_that_shows_that_somebody_else_has_deleted_its_webhook() -> None:
    """Its create was lost meanwhile, and nothing is asked for any more: what ends, ends with evidence."""
    steps = looked(steps_for(Update("111", "12", name="b")), "a", *"cdefghij")
    (create,) = sends(steps)
    steps.in_doubt(create.change, TransportError("no answer"), 1.0)
    assert steps.next(170.0) == Scan(stable=True)
    others = [listed(name, str(number)) for number, name in enumerate("cdefghij", 13)]
    steps.listed(others, pages=1, began=170.0, now=170.0)
    assert steps.done
    assert steps.changes[0].status is Status.SKIPPED


def test_a_batch_is_begun_only_with_the_slots_to_finish_it() -> None:
    """With too few requests left it is not begun; it is smaller only if no day could give more."""
    operations = [Update("111", str(12 + number), name=f"v{number}") for number in range(4)]
    names = [f"w{number}" for number in range(4)]
    assert len(sends(looked(steps_for(*operations), *names), left=11)) == 4
    steps = looked(steps_for(*operations), *names)
    assert steps.next(0.0, 10) == Park(11)
    assert steps.next(0.0, 10, 950) == Park(11)
    # Without the list that confirms all deletes, which is left for another day.
    assert steps.next(0.0, 7, 10) == Park(10)
    assert steps.next(0.0, 7, 9) == Park(8)
    assert steps.next(0.0, 3, 1) == Park(4)
    sent = 0
    while isinstance(steps.next(0.0, 9, 9), SendCreate):
        sent += 1
    assert sent == 3


def test_what_a_begun_batch_still_needs_is_known() -> None:
    """Creates not sent, the list that compares them, the deletes and the list that confirms them are committed."""
    operations = [Update("111", str(12 + number), name=f"v{number}") for number in range(2)]
    steps = looked(steps_for(*operations), "a", "b")
    assert steps.committed == 0
    first = steps.next(0.0)
    assert steps.committed == 1 + 1 + 2 + 1
    second = steps.next(0.0)
    assert isinstance(first, SendCreate)
    assert isinstance(second, SendCreate)
    steps.applied(first.change, "20", 0.0)
    steps.applied(second.change, "21", 0.0)
    steps.next(0.0)
    steps.listed(
        [listed("a", "12"), listed("b", "13"), listed("v0", "20"), listed("v1", "21")],
        pages=1,
        began=0,
        now=0,
    )
    assert steps.committed == 2 + 1


def test_a_list_that_cannot_be_read_is_tried_again_and_then_ends_the_team() -> None:
    """Three readings, half a minute and a minute apart; then nothing is sent, and nothing has begun, for that error."""
    steps = steps_for(Create("111", config("a")))
    error = TransportError("no answer")
    assert steps.next(0.0) == Scan(stable=True)
    steps.not_listed(error, 0.0)
    assert isinstance(wait := steps.next(0.0), Wait)
    assert wait.until == 30.0
    steps.next(30.0)
    steps.not_listed(error, 30.0)
    assert isinstance(wait := steps.next(30.0), Wait)
    assert wait.until == 90.0
    steps.next(90.0)
    steps.not_listed(error, 90.0)
    assert steps.done
    assert steps.changes[0].status is Status.NOT_STARTED
    assert not steps.changes[0].ended
    assert steps.changes[0].error is error


@pytest.mark.parametrize("error", [NotFound("no such team"), PermissionDenied("not yours")])
def test_a_list_that_doo_refuses_for_good_fails_the_team(error: ApiError) -> None:
    """It is not read again, and what was not begun has failed: doo has said so."""
    steps = steps_for(Create("111", config("a")))
    steps.next(0.0)
    steps.not_listed(error, 0.0)
    assert steps.done
    assert (steps.changes[0].status, steps.changes[0].error) == (Status.FAILED, error)


@pytest.mark.parametrize("stage", [SendCreate, SendDelete])
def test_a_request_that_never_left_may_be_asked_for_again(stage: type) -> None:
    """What was called back before it was sent leaves no trace."""
    operation = Create("111", config("b")) if stage is SendCreate else Delete("111", "12")
    steps = looked(steps_for(operation), "a")
    (action,) = sends(steps)
    steps.not_sent(action.change)
    assert (action.change.creates_sent, action.change.deletes_sent) == (0, 0)
    assert action.change.ending is Status.NOT_STARTED
    (again,) = sends(steps)
    assert again.change is action.change


def test_without_settling_a_doubt_ends_the_change() -> None:
    """A single call waits for nothing: the create is unknown, and the old webhook stays."""
    steps = looked(steps_for(Update("111", "12", name="b"), settle=None), "a")
    (create,) = sends(steps)
    steps.in_doubt(create.change, OutcomeUnknown("lost", operation="create"), 1.0)
    assert steps.done
    assert steps.changes[0].status is Status.UNKNOWN
    assert steps.changes[0].reason == "it may or may not have been created; 12 was kept"


@pytest.mark.parametrize(("echoes", "unknown"), [(None, True), (False, True), (True, False)])
def test_a_copy_whose_scope_cannot_be_known_is_marked(echoes: bool | None, unknown: bool) -> None:  # noqa: FBT001
    """Unless doo's lists are known to show scope, a copy that shows none may reach further."""
    change = TrackedOperation(number=0, operation=Update("111", "12", name="b"))
    steps = looked(TeamSteps(team_id="111", changes=(change,), facts=Facts(list_echoes_scope=echoes)), "a")
    sends(steps)
    assert change.scope_unknown is unknown


def test_a_scope_that_is_given_is_known() -> None:
    """Passing event_id= says what the copy reaches."""
    change = TrackedOperation(number=0, operation=Update("111", "12", event_id="7"))
    sends(looked(TeamSteps(team_id="111", changes=(change,), facts=Facts()), "a"))
    assert change.scope_unknown is False


BEGUN = {"stage": Stage.MAYBE, "old_id": "90", "creates_sent": 1}


@pytest.mark.parametrize(
    ("operation", "begun"),
    [
        (Delete("111", "12"), {}),
        (Update("111", "12", name="bb"), {}),
        (Update("111", "12", name="bb"), BEGUN),
    ],
)
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_resumed_run_does_not_take_an_old_list_for_what_there_is(
    operation: Operation,
    begun: dict[str, Any],
    confirmed: bool,  # noqa: FBT001
) -> None:
    """The first list is older than the update that an operation follows: it waits for a later one, and not for ever."""
    for shows_it in (True, False):
        first = TrackedOperation(
            number=0, operation=Update("111", "12", name="b"), old_id="12", new_id="90", deletes_sent=1,
            stage=Stage.CONFIRMED if confirmed else Stage.DELETED, status=Status.APPLIED if confirmed else None,
        )  # fmt: skip
        second = TrackedOperation(number=1, operation=operation, **begun)
        for change in (first, second):
            change.resume(0.0)
        known = {str(number) for number in range(12, 22)}
        steps = TeamSteps(team_id="111", changes=(first, second), facts=Facts(), known=known)
        others = [listed(name, str(number)) for number, name in enumerate("cdefghijk", 13)]
        old, new = [listed("a", "12"), *others], [listed("b", "90"), *others]
        now, lists = 0.0, 0
        while not steps.done and not (lists > 1 and shows_it and second.ready):
            action = steps.next(now)
            assert action is not None
            if isinstance(action, Wait):
                now = action.until
            elif isinstance(action, Scan):
                lists += 1
                steps.listed(new if lists > 1 and shows_it else old, pages=1, began=now, now=now)
                assert lists > 1 or second.status is None
            else:
                assert action.change is first or lists > 1
                steps.applied(action.change, "91" if isinstance(action, SendCreate) else None, now)
        assert lists < 20
        assert second.status is None if shows_it else second.status is not None and not second.status.fine


@pytest.mark.parametrize(
    ("operation", "stage"),
    [(Delete("111", "12"), Stage.PLANNED), (Update("111", "12", name="b"), Stage.VERIFIED)],
)
def test_what_was_deleted_before_a_run_ended_is_not_taken_for_deleted_by_others(
    operation: Operation, stage: Stage
) -> None:
    """An old list showed it after its delete, and the list of the resumed run no longer does: it is applied."""
    change = TrackedOperation(
        number=0, operation=operation, stage=stage, old_id="12", creates_sent=1, deletes_sent=1,
        new_id="90" if isinstance(operation, Update) else None,
    )  # fmt: skip
    change.resume(0.0)
    steps = TeamSteps(team_id="111", changes=(change,), facts=Facts(), known={"12"})
    assert steps.next(0.0) == Scan(stable=True)
    steps.listed([listed("b", "90")], pages=1, began=0.0, now=0.0)
    assert steps.done
    assert change.status is Status.APPLIED
    assert change.reason is None


def test_what_a_run_deleted_is_applied_also_if_it_is_gone_before_the_second_delete() -> None:
    """An old list showed it after its delete, and one that settles a create no longer does."""
    steps = looked(steps_for(Delete("111", "12"), Create("111", config("z"))), *"abcdefghij")
    others = [listed(name, str(number)) for number, name in enumerate("bcdefghij", 13)]
    delete, create = steps.changes
    for action in sends(steps):
        assert action.change is create
    steps.in_doubt(create, TransportError("no answer"), 0.0)
    delete.deletes_sent = 1  # as an old list leaves it
    wait = steps.next(0.0)
    assert isinstance(wait, Wait)
    assert steps.next(wait.until) == Scan(stable=True)
    steps.listed(others, pages=1, began=wait.until, now=wait.until)
    assert delete.status is Status.APPLIED


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("operation", [Delete("111", "12"), Update("111", "12", name="b")])
def test_a_refused_second_delete_says_nothing_of_the_first(operation: Operation, gone: bool) -> None:  # noqa: FBT001
    """An old list led to a second delete, which doo refuses: whether the first one was carried out is for a list to say."""
    others = [listed(name, str(number)) for number, name in enumerate("bcd", 90)]
    steps = looked(steps_for(operation), "a")
    now, deletes = 0.0, 0
    while not steps.done:
        now += 1.0
        action = steps.next(now)
        if isinstance(action, Wait):
            now = action.until
        elif isinstance(action, SendCreate):
            steps.applied(action.change, "90", now)
        elif isinstance(action, SendDelete):
            deletes += 1
            if deletes == 1:
                steps.applied(action.change, None, now)
            else:
                steps.refused(action.change, PermissionDenied("no", status=403), now)
        else:
            assert isinstance(action, Scan)
            is_old = deletes < 2
            live = [] if gone and not is_old else [listed("a", "12")]
            steps.listed([*live, *others], pages=1, began=now, now=now)
    assert deletes == 2
    (change,) = steps.changes
    assert change.status is (Status.APPLIED if gone else Status.FAILED)
    assert isinstance(change.error, PermissionDenied) is not gone
