"""What somebody else does at a given moment, lists that lag, ids that are given again, orders, and a reset."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sandbox_asker import Asker, asker, read

from aiodoo.sandbox import Box, Credentials, Fault, Plan, classic, graphql


def filled(many: int = 3, **options: Any) -> Asker:
    """Make a client of a box with some webhooks in each of its teams."""
    return asker(webhooks_per_team=many, order="oldest_first", **options)


def test_an_edit_right_before_a_delete() -> None:
    """Somebody edits a webhook after it was listed, right before the second delete: the log has the edit first."""
    client = filled()
    first, second, _ = client.ids("111")
    client.box.before("delete", lambda: client.box.foreign_edit(second, graphql("edited")), nth=2)
    client.delete(first)
    assert client.box.moments_left == 1
    client.delete(second)
    assert client.box.moments_left == 0
    told = [(change.what, change.webhook_id, change.by) for change in client.box.log.changes]
    assert told == [("deleted", first, 3), ("edited", second, "actor"), ("deleted", second, 4)]


def test_before_and_after_a_list() -> None:
    """What is done before a list is shown by it, what is done after it is not."""
    client = filled(1)
    client.box.before("list", lambda: client.box.foreign_create("111", classic("before")))
    client.box.after("list", lambda: client.box.foreign_create("111", classic("after")))
    shown = client.list("111")["_embedded"]["webhooks"]
    assert [webhook["name"] for webhook in shown] == ["Webhook 1 of team 111", "before"]
    assert len(client.ids("111")) == 3


def test_only_requests_of_that_team_count() -> None:
    """A moment of a team lets the requests of others pass."""
    client = filled(1, organizations=2)
    client.box.after("list", lambda: client.box.foreign_create("111", classic()), team="112", nth=2)
    for team, left in (("112", 1), ("111", 1), ("112", 0)):
        client.list(team)
        assert client.box.moments_left == left


def test_refused_requests_do_not_count() -> None:
    """A request that the gateway refuses is no moment."""
    client = asker(Plan(per_second=1), webhooks_per_team=1)
    client.log_in()
    client.box.before("list", lambda: client.box.foreign_create("111", classic()))
    assert client.ask("GET", "/team/111/webhooks").status == 429
    assert client.box.moments_left == 1
    client.now = 1.0
    assert len(client.ids("111")) == 2


def test_a_moment_of_the_log() -> None:
    """Something is done as soon as the log shows something, once."""
    client = filled(0)
    client.box.when(
        lambda log: log.count("create") == 2,
        lambda: client.box.foreign_delete(client.box.live("111")[0]["id"]),
    )
    client.create("111", classic("first"))
    client.create("111", classic("second"))
    client.create("111", classic("third"))
    assert [webhook["name"] for webhook in client.box.live("111")] == ["second", "third"]


def test_a_moment_may_arrange_another() -> None:
    """What is done at a moment may arrange the next one, and scripts the very request that it comes before."""
    client = filled(0)

    def again() -> None:
        client.box.script(Fault("error_not_acted"))
        client.box.before("create", lambda: client.box.foreign_create("111", classic("theirs")))

    client.box.before("create", again)
    assert client.create("111", classic()).status == 500
    assert client.create("111", classic("mine")).status == 200
    assert [webhook["name"] for webhook in client.box.live("111")] == ["theirs", "mine"]


def test_nth_is_at_least_one() -> None:
    """There is no request before the first."""
    with pytest.raises(ValueError, match="at least 1"):
        Box().before("list", lambda: None, nth=0)


def test_edit_as_delete_and_new() -> None:
    """Somebody changes a webhook as the API can: another id, and at no instant none."""
    client = filled(1)
    [old] = client.ids("111")
    new = client.box.foreign_replace(old, classic("theirs"))
    assert client.ids("111") == [new]
    assert [(change.what, change.webhook_id) for change in client.box.log.changes] == [
        ("created", new),
        ("deleted", old),
    ]


@pytest.mark.parametrize("arranged", [False, True])
def test_lists_that_lag_by_time(*, arranged: bool) -> None:
    """Each list shows the state of 30 seconds ago: creates, edits and deletes alike."""
    client = filled(1, replica_lag=0 if arranged else 30)
    if arranged:
        client.box.let_lists_lag(30)
    client.now = 100.0
    born = client.ids("111")
    created = read(client.create("111", classic("new")))["data"]
    client.delete(born[0])
    client.box.foreign_edit(created, classic("edited"), now=110.0)
    names = {}
    for now in (129.9, 130.0, 139.9, 140.0):
        client.now = now
        names[now] = [webhook["name"] for webhook in client.list("111")["_embedded"]["webhooks"]]
    assert names == {129.9: ["Webhook 1 of team 111"], 130.0: ["new"], 139.9: ["new"], 140.0: ["edited"]}
    client.box.let_lists_lag(0)
    client.create("111", classic("last"))
    assert len(client.ids("111")) == 2


def test_each_page_may_have_its_own_age() -> None:
    """A function draws how old each page is, as replicas behind a load balancer show it."""
    client = filled(0, replica_lag=lambda chance: chance.choice([0.0, 50.0]))
    client.now = 100.0
    client.create("111", classic())
    client.now = 120.0
    seen = {len(client.ids("111")) for _ in range(30)}
    assert seen == {0, 1}


def test_an_id_is_given_again() -> None:
    """An id that was free again becomes that of the next webhook, in any team; one in use is passed over."""
    client = filled(1, organizations=2)
    [gone] = client.ids("111")
    [alive] = client.ids("112")
    client.delete(gone)
    client.box.give_id_again(alive)
    client.box.give_id_again(gone)
    assert read(client.create("112", classic("again")))["data"] == gone
    assert client.ids("112") == [alive, gone]
    assert client.ids("111") == []
    client.delete(gone)
    assert client.ids("112") == [alive]


@pytest.mark.parametrize("style", ["uuid", "counter"])
def test_ids_are_given_again(style: Any) -> None:
    """With the setting the id that was freed first is given first."""
    client = filled(3, webhook_ids=style, reuse_ids=True)
    first, second, third = client.ids("111")
    client.delete(second)
    client.delete(first)
    given = [read(client.create("111", classic()))["data"] for _ in range(3)]
    assert given[:2] == [second, first]
    assert given[2] not in {first, second, third}


def test_every_order() -> None:
    """New webhooks stand first, last, or anywhere; where, the seed decides, and they stay there."""

    def orders(order: Any, seed: int = 0) -> list[list[int]]:
        client = asker(order=order, webhook_ids="counter", seed=seed)
        told = []
        for _ in range(8):
            client.create("111", classic())
            told.append([int(webhook_id) for webhook_id in client.ids("111")])
        return told

    assert orders("newest_first")[-1] == list(range(8, 0, -1))
    assert orders("oldest_first")[-1] == list(range(1, 9))
    told = orders("arbitrary", 1)
    assert {each.index(max(each)) for each in told} > {0, 1}
    for earlier, later in pairwise(told):
        assert [each for each in later if each in earlier] == earlier
    assert told == orders("arbitrary", 1) != orders("arbitrary", 2)


def test_reset() -> None:
    """A reset box is as a fresh one, but for its clock and its keys, whose limits are unused again."""
    box = Box(webhooks_per_team=2, plan=Plan(per_day=2, per_second=None))
    second_key = box.add_key(Plan(per_day=1, per_second=None))
    client = Asker(box)
    client.now = 50.0
    before = box.live("111")
    client.log_in()
    client.create("111", classic())
    client.delete(before[0]["id"])
    box.script(Fault("error_acted", times=None))
    box.before("list", lambda: pytest.fail("it was forgotten"))
    box.let_lists_lag(10)
    box.refuse_connections()
    box.reset()
    assert (box.log.requests, box.log.changes, box.count(), box.faults_left) == ([], [], 0, [])
    assert (box.live("111"), box.moments_left, box.now) == (before, 0, 50.0)
    assert client.ask("GET", "/team/111/webhooks").status == 401
    client.log_in()
    assert client.ask("GET", "/team/111/webhooks").status == 429
    assert Asker(box, second_key).log_in().status == 200
    assert box.log.requests[0].number == 1


def test_fixed_credentials() -> None:
    """Credentials can be given, for clients that are configured already."""
    given = Credentials(api_key="for tests", client_id="me", client_secret="for tests, too")
    box = Box(credentials=given)
    assert (box.api_key, box.client_id, box.client_secret) == ("for tests", "me", "for tests, too")
    assert Asker(box).log_in().status == 200


def test_a_page_of_small_faults() -> None:
    """A page says how many webhooks it has, and shows as many of anything; other requests are left alone."""
    client = filled(2)
    client.box.script(Fault("broken_items", count=100_000), Fault("broken_items", item={"id": None}))
    client.create("111", classic())
    page = client.list("111")
    assert page["total_items"] == 3
    assert page["_embedded"]["webhooks"] == [1] * 100_000
    assert client.list("111")["_embedded"]["webhooks"] == [{"id": None}] * 1000
    assert len(client.ids("111")) == 3
    client.box.script(Fault("broken_items"))
    assert client.ask("GET", "/team/999/webhooks").status == 404
