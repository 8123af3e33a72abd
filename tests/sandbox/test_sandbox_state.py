"""The box's state against a model that is nothing but a list, and the log's claim to be the truth."""

from __future__ import annotations

import json
import secrets
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sandbox_asker import asker, read

from aiodoo.sandbox import Box, Fault, FaultRates, classic, graphql

SECRET = secrets.token_hex()

TEAMS = ["111", "112"]


class BoxAgainstLists(RuleBasedStateMachine):
    """Clients and a second actor change webhooks; a plain list per team says what must be there."""

    @initialize(born=st.integers(0, 3), counters=st.booleans(), size=st.integers(1, 4))
    def start(self, born: int, size: int, *, counters: bool) -> None:
        """Begin with some webhooks in each team."""
        self.client = asker(
            organizations=2,
            webhooks_per_team=born,
            webhook_ids="counter" if counters else "uuid",
            page_size=size,
            order="oldest_first",
        )
        self.size = size
        self.expected = {team: self.client.box.live(team) for team in TEAMS}
        self.start_digests = {
            webhook["id"]: self.digest(webhook) for each in self.expected.values() for webhook in each
        }

    def digest(self, webhook: dict[str, Any]) -> str:
        """Return the digest of a webhook's content."""
        return self.client.box.digest({name: value for name, value in webhook.items() if name != "id"})

    @rule(
        team=st.sampled_from(TEAMS),
        name=st.text(min_size=1, max_size=5).filter(str.strip),
        foreign=st.booleans(),
    )
    def create(self, team: str, name: str, *, foreign: bool) -> None:
        """Create a webhook."""
        content = classic(name, client_secret=SECRET)
        if foreign:
            webhook_id = self.client.box.foreign_create(team, content)
        else:
            webhook_id = read(self.client.create(team, content))["data"]
        self.expected[team].append(content | {"id": webhook_id})

    @rule(team=st.sampled_from(TEAMS), place=st.integers(0, 5), foreign=st.booleans())
    def delete(self, team: str, place: int, *, foreign: bool) -> None:
        """Delete a webhook, if there are so many."""
        if place >= len(self.expected[team]):
            return
        webhook = self.expected[team].pop(place)
        if foreign:
            self.client.box.foreign_delete(webhook["id"])
        else:
            self.client.delete(webhook["id"])

    @rule(team=st.sampled_from(TEAMS), place=st.integers(0, 5))
    def edit(self, team: str, place: int) -> None:
        """Let somebody else change a webhook, if there are so many."""
        if place >= len(self.expected[team]):
            return
        webhook_id = self.expected[team][place]["id"]
        content = graphql("edited", client_secret=SECRET)
        self.client.box.foreign_edit(webhook_id, content)
        self.expected[team][place] = content | {"id": webhook_id}

    @rule(wait=st.integers(0, 100))
    def let_time_pass(self, wait: int) -> None:
        """Go on with the clock."""
        self.client.now += wait

    @invariant()
    def lists_show_the_truth(self) -> None:
        """Live webhooks and pages are what the lists say."""
        for team in TEAMS:
            assert self.client.box.live(team) == self.expected[team]
            for page in range(-(-len(self.expected[team]) // self.size)):
                shown = self.client.list(team, page + 1)["_embedded"]["webhooks"]
                here = self.expected[team][page * self.size : (page + 1) * self.size]
                assert [each["id"] for each in shown] == [each["id"] for each in here]
                assert [each["name"] for each in shown] == [each["name"] for each in here]

    @invariant()
    def log_replays_to_the_truth(self) -> None:
        """The changes in the log, applied to the start, give what is there now."""
        digests = dict(self.start_digests)
        for change in self.client.box.log.changes:
            if change.what == "deleted":
                assert digests.pop(change.webhook_id) == change.digest
            else:
                digests[change.webhook_id] = change.digest
        assert digests == {
            webhook["id"]: self.digest(webhook) for each in self.expected.values() for webhook in each
        }


TestBoxAgainstLists = BoxAgainstLists.TestCase
TestBoxAgainstLists.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_first_webhooks_cost_nothing() -> None:
    """A box with a hundred million webhooks is made, read and changed in no time."""
    client = asker(organizations=10, webhooks_per_team=lambda team: 10_000_000 if team else 5)
    assert client.list("115", 400_000)["total_items"] == 10_000_000
    webhook_id = client.ids("111")[0]
    client.delete(webhook_id)
    assert len(client.box.live("111")) == 4


def test_examples_alternate() -> None:
    """The first webhooks alternate between doo's two examples, each calling a URL of its own on a reserved host."""
    box = Box(organizations=2, webhooks_per_team=4)
    webhooks = [webhook for team in box.teams for webhook in box.live(team)]
    assert [len(webhook["hooks"]) for webhook in webhooks] == [7, 2] * 4
    endpoints = {hook["endpoint"] for webhook in webhooks for hook in webhook["hooks"]}
    assert len(endpoints) == 8
    assert all(endpoint.startswith("https://crm.example/") for endpoint in endpoints)


def test_what_live_returns_is_a_copy() -> None:
    """Whoever changes what `live` returned changes nothing in the box."""
    box = Box(webhooks_per_team=1)
    box.live("111")[0]["hooks"].clear()
    assert box.live("111")[0]["hooks"]


def test_who_changed_what() -> None:
    """The log tells a request's changes from a second actor's and from the test's own."""
    client = asker()
    first = client.box.add_webhook("111", classic("a"), webhook_id="given")
    second = client.box.foreign_create("111", classic("b"), now=3.0)
    client.box.foreign_edit(second, classic("c"), now=4.0)
    client.box.foreign_delete(second, now=5.0)
    client.now = 6.0
    client.delete(first)
    told = [(change.time, change.what, change.webhook_id, change.by) for change in client.box.log.changes]
    assert told == [
        (0.0, "created", "given", "setup"),
        (3.0, "created", second, "actor"),
        (4.0, "edited", second, "actor"),
        (5.0, "deleted", second, "actor"),
        (6.0, "deleted", "given", client.box.log.total),
    ]
    with pytest.raises(ValueError, match="no webhook"):
        client.box.foreign_delete("given")
    client.box.add_webhook("111", classic(), webhook_id="again")
    with pytest.raises(ValueError, match="already"):
        client.box.add_webhook("112", classic(), webhook_id="again")


def test_digest_knows_content() -> None:
    """A digest is the same whatever the order of members, another for other content, and in another box."""
    box, posted = Box(), classic()
    backwards = dict(reversed(posted.items()))
    assert box.digest(posted) == box.digest(backwards)
    assert box.digest(posted) != box.digest(posted | {"name": "other"})
    assert box.digest(posted) != Box().digest(posted)


def test_every_request_is_logged() -> None:
    """The log has a line for each request, good or bad, and counts them by kind and status."""
    client = asker()
    client.box.script(Fault("lost_before", on="delete"))
    client.now = 2.5
    webhook_id = read(client.create("111", classic()))["data"]
    client.list("111", 3)
    client.delete(webhook_id)
    client.create("111", {})
    client.ask("GET", "/nothing")
    told = [
        (each.number, each.time, each.kind, each.team, each.webhook_id, each.page, each.status, each.acted)
        for each in client.box.log.requests
    ]
    assert told == [
        (1, 0.0, "token", None, None, None, 200, True),
        (2, 2.5, "create", "111", None, None, 200, True),
        (3, 2.5, "list", "111", None, "3", 200, True),
        (4, 2.5, "delete", "111", webhook_id, None, None, False),
        (5, 2.5, "create", "111", None, None, 400, False),
        (6, 2.5, "unknown", None, None, None, 403, False),
    ]
    box = client.box
    assert (box.count(), box.count("create"), box.count(status=200), box.count("create", 400)) == (6, 2, 3, 1)
    assert box.count("initialize") == 0


def test_log_holds_no_secret() -> None:
    """Nothing secret that was sent or stored is found in the log."""
    canary = secrets.token_hex()
    client = asker(webhooks_per_team=1)
    client.create("111", classic(client_secret=canary))
    client.box.foreign_create("111", classic(client_secret=canary))
    told = json.dumps([attrs.asdict(each) for each in [*client.box.log.requests, *client.box.log.changes]])
    own = client.credentials
    for secret in (canary, own.api_key, own.client_secret, client.token):
        assert secret not in told


def test_compact_log() -> None:
    """A box that keeps no log still counts."""
    client = asker(keep_log=False, webhooks_per_team=1)
    client.create("111", classic())
    assert (client.box.log.requests, client.box.log.changes) == ([], [])
    assert (client.box.count("create", 200), client.box.log.total) == (1, 2)


def test_the_past_is_forgotten_after_an_hour() -> None:
    """Deleted webhooks are kept for an hour, so that a long run does not fill the memory."""
    client = asker()
    team = client.box._backend.state.teams["111"]
    for hour in range(5):
        client.now = hour * 3601.0
        client.delete(read(client.create("111", classic()))["data"])
    assert len(team.past) == 1


@pytest.mark.parametrize("seed", range(3))
def test_faults_never_break_the_box(seed: int) -> None:
    """Under all faults at once the log and the state still agree."""
    client = asker(seed=seed, webhooks_per_team=2)
    client.box.rates = FaultRates(
        **dict.fromkeys(
            ["lost_before", "lost_after", "late", "error_acted", "delete_ignored", "reset", "stale"], 0.12
        )
    )
    for number in range(200):
        client.now += 1.0
        client.create("111", classic(str(number)))
        client.ask("GET", "/team/111/webhooks")
        client.delete(client.box.live("111")[-1]["id"] if client.box.live("111") else "none")
    client.box.advance(client.now + 200)
    created = [change.webhook_id for change in client.box.log.changes if change.what == "created"]
    deleted = {change.webhook_id for change in client.box.log.changes if change.what == "deleted"}
    assert {webhook["id"] for webhook in client.box.live("111")} >= set(created) - deleted
    assert sum(each.acted for each in client.box.log.requests if each.kind == "create") == len(created)
