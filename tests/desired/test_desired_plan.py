"""What a plan says: what is matched with what, what is replaced in which fields, what it costs, what it leaves out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from desired_world import CRM, changing, contents, declare, sent, world
from simulated import SimulatedClock, simulate

from aiodoo import AddWebhook, AuthenticationError, ConfigError, Facts, Hook, Limits, UnsafePlan
from aiodoo.desired import FieldChange
from aiodoo.sandbox import Box, Fault

ONE = {
    "aiodoo": 1,
    "manage": {"name_prefix": "crm"},
    "teams": [111],
    "webhooks": [{"name": "crm", "hooks": [{"type": "event_created", "endpoint": "https://a.example"}]}],
}


def webhook(name: str = "crm", endpoint: str = "https://a.example", **more: Any) -> dict[str, Any]:
    """Return what doo stores for a simple webhook configuration."""
    config = AddWebhook(name=name, hooks=[Hook(type="event_created", endpoint=endpoint)], **more)
    return sent(config)


def declared(*webhooks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a file that declares these for one team."""
    return ONE | {"webhooks": list(webhooks)} | more


def wish(name: str = "crm", endpoint: str = "https://a.example", **more: Any) -> dict[str, Any]:
    """Return the declaration of a simple webhook configuration."""
    return {"name": name, "hooks": [{"type": "event_created", "endpoint": endpoint}], **more}


def login(secret: str, endpoint: str = "https://a.example/token") -> dict[str, Any]:
    """Return the declaration of an authentication."""
    return {"endpoint": endpoint, "credentials": {"client_secret": secret}}


def test_a_host_is_new_that_no_team_of_the_file_has_had(tmp_path: Path) -> None:
    """A host is known from a team in which nothing changes, too, whichever of its webhooks has it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            for name, host in (("crm", "a"), ("other", "known"), ("third", "third")):
                box.add_webhook("111", webhook(name, f"https://{host}.example"))
            there, moved = wish("crm"), wish("crm b", "https://known.example")
            file = declared(
                there | {"teams": [111]},
                moved | {"teams": [112]},
                wish("crm c", "https://new.example") | {"teams": [112]},
                teams=[111, 112],
            )
            plan = await doo.desired.plan(declare(tmp_path, file))
            assert (plan.counts()["create"], plan.new_hosts) == (2, ("new.example",))

    simulate(main)


@pytest.mark.parametrize("odd", [{"name": "crm" * 100}, {"endpoint": "https://a.example/" + "x" * 1000}])
def test_what_breaks_the_rules_for_new_ones_is_refused_only_where_it_is_created(
    odd: dict[str, Any], tmp_path: Path
) -> None:
    """A plan says so of a webhook `as_listed` that is not listed; of a listed one it lets doo decide."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            old = wish(**odd, as_listed=True, description=None)
            plan = await doo.desired.plan(declare(tmp_path, declared(old)))
            assert ([*plan], len(plan.unmade)) == ([], 1)
            box.add_webhook("111", webhook(**odd) | {"description": None, "colour": "red"})
            file = declared(old | {"unknown": {"colour": "blue"}})
            plan = await doo.desired.plan(declare(tmp_path, file))
            assert (plan.counts()["replace"], plan.unmade) == (1, ())

    simulate(main)


def test_what_is_missing_is_created(tmp_path: Path) -> None:
    """For each team that is selected; the plan says how many, for what price, from which lines."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, limits=Limits(per_second=2, per_day=100, reserve=0)) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            assert [(change.kind, change.team_id, change.name, change.line) for change in plan] == [
                ("create", "111", "crm: events", 8),
                ("create", "111", "crm: orders", 12),
                ("create", "112", "crm: events", 8),
                ("create", "113", "crm: events", 8),
            ]
            assert plan.counts() == {"create": 4, "replace": 0, "delete": 0, "unchanged": 0, "undeclared": 0}
            assert [team.organization for team in plan.teams] == [f"Organization {n}" for n in (1, 2, 3)]
            assert changing(box) == 0
            before = box.log.total
            await doo.desired.apply(plan)
            assert plan.cost.requests.total == box.log.total - before == 3 + 3 + 4
            assert plan.price is plan.cost
            assert (plan.cost.seconds, plan.cost.days) == (5.0, 0.1)

    simulate(main)


def test_a_plan_of_a_large_team_is_priced_to_the_request(tmp_path: Path) -> None:
    """Creates, replacements and deletes over several pages cost what the plan says."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=7, page_size=3) as (doo, box):
            for number in range(12):
                box.add_webhook("111", webhook(f"crm {number}"))
            wishes = [wish(f"crm {number}", "https://b.example") for number in range(2, 14)]
            plan = await doo.desired.plan(declare(tmp_path, declared(*wishes)), prune=True)
            assert plan.counts() | {"unchanged": 0} == {
                "create": 2,
                "replace": 10,
                "delete": 2,
                "unchanged": 0,
                "undeclared": 0,
            }
            before = box.log.total
            report = await doo.desired.apply(plan, allow_net_deletes=2)
            assert report.counts()["applied"] == 14
            assert box.log.total - before == plan.cost.requests.total

    simulate(main)


def test_what_is_equal_stays_and_what_differs_is_replaced_field_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what differs is in the plan, each field before and after; no secret is."""
    old, new = os.urandom(9).hex(), os.urandom(9).hex()
    monkeypatch.setenv("AIODOO_TEST_NEW", new)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            hooks = [
                Hook.graphql("order_created", endpoint="https://u:p@a.example/1?k=1", query="query {a}"),
                Hook(type="event_created", endpoint="https://a.example/2"),
                Hook(type="event_removed", endpoint="https://a.example/3"),
            ]
            listed = sent(AddWebhook(name="crm x", description="before", hooks=hooks))
            listed["authentication"] = {
                "endpoint": "https://a.example/token",
                "grant_type": "client_credentials",
                "credentials": {"client_id": "doo", "client_secret": old},
                "header_format": "Authorization",
                "header_value_format": "Bearer %ACCESS_TOKEN%",
            }
            box.add_webhook("111", listed)
            box.add_webhook("111", webhook("crm y"))
            wanted = {
                "name": "crm x",
                "description": "after",
                "event_id": 47,
                "hooks": [
                    {
                        "type": "order_created",
                        "endpoint": "https://u:q@a.example/1?k=2",
                        "query": "query {a}",
                    },
                    {"type": "event_created", "endpoint": "https://b.example/2"},
                    {"type": "event_updated", "endpoint": "https://b.example/4"},
                ],
                "authentication": login("${secret:env:AIODOO_TEST_NEW}", "https://b.example/token"),
            }
            plan = await doo.desired.plan(declare(tmp_path, declared(wanted, wish("crm y"))))
            [change] = plan
            assert (change.kind, change.why) == ("replace", None)
            assert plan.counts()["unchanged"] == 1
            hidden = "https://a.example/1?... (another user name, query or fragment, which are not shown)"
            assert list(change.fields) == [
                FieldChange("description", "before", "after"),
                FieldChange("event_id", None, "47"),
                FieldChange("hooks[order_created].endpoint", "https://a.example/1?...", hidden),
                FieldChange("hooks[event_created].endpoint", "https://a.example/2", "https://b.example/2"),
                FieldChange("authentication.endpoint", "https://a.example/token", "https://b.example/token"),
                FieldChange(
                    "authentication.credentials.client_secret", "***", "*** from env:AIODOO_TEST_NEW"
                ),
                FieldChange("hooks[event_updated]", None, "https://b.example/4"),
                FieldChange("hooks[event_removed]", "https://a.example/3", None),
            ]
            plain = json.dumps(plan.to_dict())
            assert json.loads(plain)["changes"][0]["fields"][0] == {
                "path": "description",
                "old": "before",
                "new": "after",
            }
            assert json.loads(plain)["price"]["requests"] == plan.cost.requests.total
            assert not [secret for secret in (old, new) if secret in repr(plan) + plain]
            await doo.desired.apply(plan)
            assert not await doo.desired.plan(tmp_path / "doo.yaml")

    simulate(main)


def test_twins_are_paired_with_the_most_alike(tmp_path: Path) -> None:
    """Of several that have one name the equal ones stay, and the others are paired in order of likeness, then of age."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhook_ids="counter") as (doo, box):
            ids = [
                box.add_webhook("111", webhook(endpoint="https://old.example", description="d")),
                box.add_webhook("111", webhook(endpoint="https://old.example")),
                box.add_webhook("111", webhook(endpoint="https://a.example")),
                box.add_webhook("111", webhook(endpoint="https://old.example")),
            ]
            file = declare(tmp_path, declared(wish(), wish(endpoint="https://new.example"), wish()))
            plan = await doo.desired.plan(file, prune=True)
            assert [(change.kind, change.webhook_id) for change in plan] == [
                ("replace", ids[1]),
                ("replace", ids[3]),
                ("delete", ids[0]),
            ]
            assert "4 listed and 3 declared ones have this name" in (plan.of_kind("replace")[0].why or "")
            assert list(plan) == list(await doo.desired.plan(file, prune=True))
            await doo.desired.apply(plan, allow_net_deletes=1)
            assert sorted(item["hooks"][0]["endpoint"] for item in contents(box, "111")) == [
                "https://a.example",
                "https://a.example",
                "https://new.example",
            ]
            assert ids[2] in {item["id"] for item in box.live("111")}

    simulate(main)


def test_the_order_of_a_list_does_not_matter(tmp_path: Path) -> None:
    """Whichever way doo lists them, the same webhook configurations are paired."""

    async def main(clock: SimulatedClock) -> None:
        found = []
        for order in ("newest_first", "oldest_first", "arbitrary"):
            async with world(clock, order=order) as (doo, box):
                for number in range(4):
                    box.add_webhook(
                        "111", webhook(endpoint=f"https://{number}.example"), webhook_id=f"w{number}"
                    )
                plan = await doo.desired.plan(declare(tmp_path, ONE), prune=True)
                found.append([(change.kind, change.webhook_id) for change in plan])
        assert found[0] == found[1] == found[2]

    simulate(main)


def test_what_is_not_declared_stays_unless_pruned(tmp_path: Path) -> None:
    """It is named; with prune it is deleted; what is not the file's own is never touched."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.add_webhook("111", webhook("other"))
            old = box.add_webhook("111", webhook("crm old"))
            file = declare(tmp_path, ONE)
            plan = await doo.desired.plan(file)
            assert [change.kind for change in plan] == ["create"]
            assert [(named.webhook_id, named.name) for named in plan.teams[0].undeclared] == [
                (old, "crm old")
            ]
            pruning = await doo.desired.plan(file, prune=True)
            assert [(change.kind, change.webhook_id) for change in pruning] == [
                ("create", None),
                ("delete", old),
            ]
            for allowed in (0, 2):
                with pytest.raises(UnsafePlan, match=f"deletes 1 webhook .* and {allowed} are allowed"):
                    await doo.desired.apply(pruning, allow_net_deletes=allowed)
            assert changing(box) == 0
            await doo.desired.apply(pruning, allow_net_deletes=1)
            assert [item["name"] for item in contents(box, "111")] == ["crm", "other"]

    simulate(main)


def test_a_marker_in_the_description_tells_whose_a_webhook_is(tmp_path: Path) -> None:
    """It is added to what is declared; another of the same name without it is left alone, and named."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            foreign = box.add_webhook("111", webhook())
            document = declared(
                wish(description="ours"), wish("x", description=None), manage={"marker": "[crm]"}
            )
            plan = await doo.desired.plan(declare(tmp_path, document), prune=True)
            assert [change.kind for change in plan] == ["create", "create"]
            assert foreign in (plan.of_kind("create")[0].why or "")
            await doo.desired.apply(plan)
            assert [item["description"] for item in box.live("111")] == ["crm", "ours [crm]", "[crm]"]
            assert not await doo.desired.plan(tmp_path / "doo.yaml", prune=True)

    simulate(main)


def test_the_listed_secret_may_stay(tmp_path: Path) -> None:
    """`${secret:listed}` keeps what doo has, also when the rest of the authentication changes; the file never sees it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1) as (doo, box):
            [item] = box.live("111")
            kept = item["authentication"]["credentials"]["client_secret"]
            document = declared(
                wish(item["name"], authentication=login("${secret:listed}", "https://new.example/token")),
                manage={"name_prefix": "Webhook"},
            )
            plan = await doo.desired.plan(declare(tmp_path, document))
            assert kept not in repr(plan)
            assert kept not in str([change.operation for change in plan])
            assert plan.secrets == {}
            assert (await doo.desired.apply(plan)).counts()["applied"] == 1
            [item] = box.live("111")
            assert item["authentication"]["credentials"]["client_secret"] == kept
            assert item["authentication"]["endpoint"] == "https://new.example/token"
            assert not await doo.desired.plan(tmp_path / "doo.yaml")

    simulate(main)


@pytest.mark.parametrize("masked", ["masked", "null", "missing"])
def test_a_masked_secret_is_never_copied(tmp_path: Path, masked: str) -> None:
    """Where doo does not show it, a replacement that should keep it is left out and named; an equal one stays."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, webhooks_per_team=1, secrets=masked) as (doo, box):
            [item] = box.live("111")
            same = {name: item[name] for name in ("name", "description", "hooks")}
            same["authentication"] = login("${secret:listed}", item["authentication"]["endpoint"])
            document = declared(same, manage={"name_prefix": "Webhook"})
            plan = await doo.desired.plan(declare(tmp_path, document))
            assert (len(plan), plan.counts()["unchanged"], plan.problems) == (0, 1, ())
            for edited in (
                {"description": "other"},
                {"authentication": login("${secret:listed}", "https://b.example")},
            ):
                other = declared(same | edited, manage={"name_prefix": "Webhook"})
                plan = await doo.desired.plan(declare(tmp_path, other), prune=True)
                assert len(plan) == 0
                [problem] = plan.problems
                assert problem.team_id == "111"
                assert "its client secret is masked or not shown" in problem.says

    simulate(main)


def test_a_listed_secret_that_nobody_lists(tmp_path: Path) -> None:
    """A create cannot keep a secret; it is left out and named."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            document = declared(wish(authentication=login("${secret:listed}")))
            plan = await doo.desired.plan(declare(tmp_path, document))
            assert len(plan) == 0
            [problem] = plan.unmade
            assert problem.line == 1
            assert "none is listed under this name" in problem.says
            assert "such as client_secret: ${secret:env:NAME}" in problem.says

    simulate(main)


def secretive(box: Box, name: str, endpoint: str = "https://a.example", secret: str = "") -> str:
    """Put a webhook configuration with a secret into team 111, and return its id."""
    item = webhook(name, endpoint)
    item["authentication"] = {
        "endpoint": "https://a.example/token",
        "grant_type": "client_credentials",
        "credentials": {"client_id": "doo", "client_secret": secret or os.urandom(9).hex()},
        "header_format": "Authorization",
        "header_value_format": "Bearer %ACCESS_TOKEN%",
    }
    return box.add_webhook("111", item)


@pytest.mark.parametrize("prune", [True, False])
def test_a_renamed_one_keeps_its_listed_secret(tmp_path: Path, *, prune: bool) -> None:
    """One that is to have the listed secret, and differs in the name alone from what is not declared any more, was renamed."""
    secret = os.urandom(9).hex()

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            old = secretive(box, "crm old", secret=secret)
            kept = login("${secret:listed}")
            document = declared(wish("crm new", description="crm old", authentication=kept))
            plan = await doo.desired.plan(declare(tmp_path, document), prune=prune)
            [change] = plan
            assert (change.kind, change.webhook_id) == ("replace", old)
            assert change.fields == (FieldChange("name", "crm old", "crm new"),)
            assert change.why is not None
            assert "it was renamed" in change.why
            await doo.desired.apply(plan)
            [made] = box.live("111")
            assert made["name"] == "crm new"
            assert made["authentication"]["credentials"]["client_secret"] == secret
            assert not await doo.desired.plan(declare(tmp_path, document), prune=True)

    simulate(main)


@pytest.mark.parametrize("case", ["another endpoint", "two may be meant", "two are declared"])
def test_nothing_is_deleted_in_a_team_where_something_cannot_be_made(tmp_path: Path, case: str) -> None:
    """What is not declared may hold the only copy of the secret that is wanted; the plan is not applied at all."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            kept = {"description": "crm old", "authentication": login("${secret:listed}")}
            secretive(
                box, "crm old", "https://b.example" if case == "another endpoint" else "https://a.example"
            )
            if case == "two may be meant":
                secretive(box, "crm older", "https://a.example")
            names = ["crm new", "crm newer"] if case == "two are declared" else ["crm new"]
            wishes = [wish(name, **kept) for name in names]
            plan = await doo.desired.plan(declare(tmp_path, declared(*wishes, wish("crm plain"))), prune=True)
            assert [(change.kind, change.name) for change in plan] == [("create", "crm plain")]
            assert [left.name for team in plan.teams for left in team.undeclared] == [
                item["name"] for item in sorted(box.live("111"), key=lambda item: str(item["name"]))
            ]
            assert len(plan.unmade) == len(names)
            before = box.log.total
            for made in (plan, tmp_path / "plan.json"):
                await doo.desired.write(plan, tmp_path / "plan.json")
                with pytest.raises(UnsafePlan, match=r"cannot be made.*nothing was sent.*secret:env:NAME"):
                    await doo.desired.apply(made)
            assert box.log.total == before

    simulate(main)


def test_what_may_widen_needs_consent(tmp_path: Path) -> None:
    """A replacement bound to nothing, of what may be bound to an event that doo's list does not show."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock, facts=Facts(), echo_scope=False) as (doo, box):
            box.add_webhook("111", webhook(event_id="47"))
            plan = await doo.desired.plan(declare(tmp_path, declared(wish(description="new"))))
            assert [change.may_widen for change in plan] == [True]
            with pytest.raises(
                UnsafePlan, match=r"one replacement may have a wider scope .*Declare what they are bound to"
            ):
                await doo.desired.apply(plan)
            assert changing(box) == 0
            bound = await doo.desired.plan(declare(tmp_path, declared(wish(description="new", event_id=47))))
            assert not bound.may_widen
            assert (await doo.desired.apply(bound)).counts()["applied"] == 1
            assert [item["event_id"] for item in box.live("111")] == ["47"]
            again = await doo.desired.plan(tmp_path / "doo.yaml")
            assert [named.name for named in again.teams[0].unseen] == ["crm"]
            wide = await doo.desired.plan(declare(tmp_path, declared(wish(description="wide"))))
            assert (await doo.desired.apply(wide, allow_widening=True)).counts()["applied"] == 1

    simulate(main)


def test_a_bound_that_is_shown_and_dropped_needs_consent_too(tmp_path: Path) -> None:
    """Where lists do show it, only what really drops one asks."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.add_webhook("111", webhook(event_id="47"))
            box.add_webhook("111", webhook("crm 2"))
            wishes = [wish(), wish("crm 2", description="new")]
            plan = await doo.desired.plan(declare(tmp_path, declared(*wishes)))
            assert [(change.name, change.may_widen) for change in plan] == [("crm", True), ("crm 2", False)]

    simulate(main)


def test_one_teams_trouble_is_left_out_and_named(tmp_path: Path) -> None:
    """A team that is not there does not cost the plan of the others."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            plan = await doo.desired.plan(declare(tmp_path, ONE | {"teams": [999, 111]}))
            assert [team.id for team in plan.teams] == ["111"]
            assert [problem.team_id for problem in plan.problems] == ["999"]
            assert "its list could not be read" in plan.problems[0].says

    simulate(main)


def test_what_cannot_be_read_is_left_out_with_its_team(tmp_path: Path) -> None:
    """A webhook of the file's that is nested beyond reason: its team is named, and nothing is done there."""
    odd: list[Any] = []
    for _ in range(200):
        odd = [odd]

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.add_webhook("111", webhook("crm: events") | {"odd": odd})
            plan = await doo.desired.plan(declare(tmp_path, CRM), prune=True)
            assert [team.id for team in plan.teams if team.changes] == ["112", "113"]
            assert [problem.team_id for problem in plan.problems] == ["111"]
            assert (await doo.desired.apply(plan)).counts()["applied"] == 2

    simulate(main)


def test_reading_many_teams_can_be_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After each team the callback hears how far it is, also before a plan is applied; if it raises, nothing is lost."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            told: list[tuple[int, int]] = []
            plan = await doo.desired.plan(declare(tmp_path, CRM), on_read=lambda *read: told.append(read))
            assert told == [(1, 3), (2, 3), (3, 3)]
            await doo.desired.apply(plan, on_read=lambda *read: told.append(read))
            assert told[3:] == [(1, 3), (2, 3), (3, 3)]
            assert not await doo.desired.plan(tmp_path / "doo.yaml", on_read=lambda _: None)
            assert "on_read raised TypeError; the teams are read all the same" in caplog.text

    simulate(main)


async def followed(read: int, teams: int) -> None:
    """Hear how far it is, in an async program."""


def test_an_async_function_cannot_follow_the_reading(tmp_path: Path) -> None:
    """It would never be awaited, so it is refused, by plan and by apply, with nothing sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            before = box.log.total
            for asked in (
                doo.desired.plan(tmp_path / "doo.yaml", on_read=followed),
                doo.desired.apply(plan, on_read=followed),
            ):
                with pytest.raises(ConfigError, match="on_read is called without await"):
                    await asked
            assert box.log.total == before

    simulate(main)


def test_what_every_team_would_meet_is_raised(tmp_path: Path) -> None:
    """A refused key ends the plan with the error itself, not with a group of them."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.script(Fault("unauthorized", on=("list",), times=None))
            with pytest.raises(AuthenticationError):
                await doo.desired.plan(declare(tmp_path, CRM))

    simulate(main)


def test_fields_that_aiodoo_does_not_know(tmp_path: Path) -> None:
    """One beside the others is kept by a replacement; one inside a hook is what a declaration does without."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            odd = webhook("crm 2")
            odd["hooks"][0]["colour"] = "red"
            box.add_webhook("111", webhook() | {"colour": "red"})
            box.add_webhook("111", odd)
            file = declare(tmp_path, declared(wish(description="new"), wish("crm 2")))
            plan = await doo.desired.plan(file)
            assert [[field.path for field in change.fields] for change in plan] == [
                ["description"],
                ["hooks"],
            ]
            await doo.desired.apply(plan)
            assert [item.get("colour") for item in contents(box, "111")] == ["red", None]
            assert not await doo.desired.plan(file)

    simulate(main)
