"""Whatever is there and whatever is declared: applying the plan leads there, touches nothing else, and leaves no plan.

`AIODOO_DESIRED_EXAMPLES=5000 pytest tests/desired/test_desired_property.py` tries more; `--hypothesis-show-statistics`
tells how often what was met.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from desired_world import changing, declare, world
from hypothesis import event, given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate

from aiodoo import Facts, UnsafePlan
from aiodoo.desired import Plan
from aiodoo.sandbox import Box

EXAMPLES = int(os.environ.get("AIODOO_DESIRED_EXAMPLES", "25"))
SECRETS = {f"AIODOO_TEST_SECRET_{number}": os.urandom(12).hex() for number in range(2)}
OTHERS = os.urandom(12).hex()
LISTED = "${secret:listed}"
PREFIX, MARKER = "crm: ", "[crm]"
TEAMS = ("111", "112", "113")
KNOWN = ("name", "description", "hooks", "authentication", "event_id", "event_guide_id")

hooks = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["event_created", "order_created", "contact_whatever"]),
            "endpoint": st.sampled_from(
                ["https://a.example/x", "https://a.example/y?k=1", "https://b.example/${team.id}"]
            ),
        },
        optional={
            "origin": st.sampled_from(["query {a}", "query {b}"]).map(
                lambda query: {
                    "method": "POST",
                    "endpoint": "https://gql.doo.net",
                    "body": json.dumps({"query": query, "variables": {"id": "%EVENT_ID%"}}),
                }
            )
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda hook: json.dumps(hook, sort_keys=True),
)
declared = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]), "hooks": hooks},
    optional={
        "description": st.sampled_from([None, "first", "second"]),
        "event_id": st.sampled_from(["47", 48]),
        "event_guide_id": st.just("5"),
        "authentication": st.builds(
            lambda endpoint, secret: {"endpoint": endpoint, "credentials": {"client_secret": secret}},
            st.sampled_from(["https://a.example/token", "https://b.example/token"]),
            st.sampled_from([*(f"${{secret:env:{name}}}" for name in sorted(SECRETS)), LISTED]),
        ),
    },
)
subsets = st.lists(st.sampled_from(TEAMS), min_size=1, unique=True)
spellings = st.sampled_from(["ids", "organizations", "organization_ids", "exclude"])


@attrs.frozen
class Item:
    """A webhook configuration that is there already."""

    team: str
    is_owned: bool
    config: dict[str, Any]
    colour: str


@attrs.frozen
class Case:
    """A file and what doo holds."""

    domain: list[str]
    teams: Any
    wishes: list[tuple[dict[str, Any], Any, list[str]]]
    items: list[Item]

    def wanted(self, team: str) -> list[dict[str, Any]]:
        """Return what a team is to have."""
        return [config for config, _, teams in self.wishes if team in teams and team in self.domain]


def spelled(teams: list[str], how: str, among: tuple[str, ...]) -> Any:
    """Return a selection that means these teams, in one of the ways in which a file can say so."""
    match how:
        case "organizations":
            return {"organizations": [f"Organization {TEAMS.index(team) + 1}" for team in teams]}
        case "organization_ids":
            return {"organization_ids": [70001 + TEAMS.index(team) for team in teams]}
        case "exclude":
            others = [team for team in among if team not in teams]
            return {"all": True, "exclude": {"ids": others}} if others else "all"
    return teams


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a file, and a state of doo that has something to do with it: many items are declared ones, or nearly."""
    domain = sorted(draw(subsets))
    wishes = []
    for config in draw(st.lists(declared, max_size=5)):
        chosen = [team for team in sorted(draw(subsets)) if team in domain] or domain
        teams = draw(st.none() | spellings.map(lambda how, of=chosen: spelled(of, how, tuple(domain))))
        wishes.append((config, teams, domain if teams is None else chosen))
    items = []
    for _ in range(draw(st.integers(0, 12))):
        own = [config for config, _, _ in wishes]
        config = dict(draw(declared if not own else st.sampled_from(own) | declared))
        if draw(st.booleans()):
            config["hooks"] = draw(st.permutations(config["hooks"]))
        if draw(st.integers(0, 3)) == 0:
            field, other = draw(st.sampled_from(KNOWN[1:])), draw(declared)
            config = {name: value for name, value in config.items() if name != field}
            config |= {field: other[field]} if field in other else {}
        team, is_owned = draw(st.sampled_from(TEAMS)), draw(st.integers(0, 3)) > 0
        items.append(Item(team, is_owned, config, draw(st.sampled_from(["", "", "beside", "in a hook"]))))
    return Case(domain, spelled(domain, draw(spellings), TEAMS), wishes, items)


def owned(config: dict[str, Any], *, by: str) -> dict[str, Any]:
    """Make a declaration's name, or its description, say whose it is."""
    if by == "name_prefix":
        return config | {"name": PREFIX + config["name"]}
    described = config.get("description", config["name"])
    return config | {"description": f"{described or ''} {MARKER}".strip()}


def stored(config: dict[str, Any], team: str) -> dict[str, Any]:
    """Return what a team holds once a declaration was created, by the book."""
    held: dict[str, Any] = {"description": config["name"], **config}
    for name in ("event_id", "event_guide_id"):
        held |= {name: str(held[name])} if name in held else {}
    held["hooks"] = [
        {"method": "POST", **hook, "endpoint": hook["endpoint"].replace("${team.id}", team)}
        for hook in config["hooks"]
    ]
    if (login := config.get("authentication")) is not None:
        name = login["credentials"]["client_secret"].removeprefix("${secret:env:").removesuffix("}")
        held["authentication"] = {
            "grant_type": "client_credentials",
            "endpoint": login["endpoint"],
            "credentials": {"client_id": "doo", "client_secret": SECRETS.get(name, OTHERS)},
            "header_format": "Authorization",
            "header_value_format": "Bearer %ACCESS_TOKEN%",
        }
    return {name: value for name, value in held.items() if value is not None}


def secret_of(item: dict[str, Any]) -> str | None:
    """Return the client secret that doo really holds."""
    login = item.get("authentication")
    return None if login is None else login["credentials"]["client_secret"]


def canonical(item: dict[str, Any], *, scope: bool, secrets: bool) -> str:
    """Return an item in one spelling: known fields, the order of its hooks aside; scope and secrets if they count."""
    kept = {name: item[name] for name in KNOWN if name in item and (scope or not name.startswith("event_"))}
    # What a run may add to tell its own webhooks from others.
    described = re.sub(r" ?\[aiodoo:[0-9a-f.]+\]$", "", kept.pop("description", ""))
    kept |= {"description": described} if described else {}
    kept["hooks"] = sorted(json.dumps(hook, sort_keys=True) for hook in item["hooks"])
    if "authentication" in kept and not secrets:
        kept["authentication"] = kept["authentication"] | {"credentials": {"client_secret": "*"}}
    return json.dumps(kept, sort_keys=True)


def fill(box: Box, case: Case, *, by: str) -> set[str]:
    """Put what is there into the teams, and return the ids of what belongs to the file."""
    managed: set[str] = set()
    for item in case.items:
        content = stored(owned(item.config, by=by) if item.is_owned else item.config, item.team)
        if item.colour == "beside":
            content["colour"] = "red"
        elif item.colour:
            content["hooks"] = [content["hooks"][0] | {"colour": "red"}, *content["hooks"][1:]]
        new_id = box.add_webhook(item.team, content)
        if item.is_owned and item.team in case.domain:
            managed.add(new_id)
    return managed


def check_team(
    wanted: list[dict[str, Any]],
    before: list[dict[str, Any]],
    live: list[dict[str, Any]],
    managed: set[str],
    *,
    by: str,
    undeclared: int,
    scope: bool,
    secrets: bool,
    team: str,
) -> None:
    """Hold a team that a plan was applied to against what it was to have."""
    foreign = [item for item in before if item["id"] not in managed]
    assert [item for item in live if item["id"] in {each["id"] for each in foreign}] == foreign
    ours = [item for item in live if item not in foreign]
    made = [item for item in live if item["id"] not in {each["id"] for each in before}]

    def counted(items: list[dict[str, Any]], *, scope: bool) -> Counter[str]:
        return Counter(canonical(item, scope=scope, secrets=secrets) for item in items)

    to_be = [stored(owned(config, by=by), team) for config in wanted]
    assert counted(made, scope=True) <= counted(to_be, scope=True)
    have, want = counted(ours, scope=scope), counted(to_be, scope=scope)
    assert not want - have
    assert (have - want).total() == undeclared
    theirs = {secret_of(item) for item in before if item["id"] in managed}
    assert {secret_of(item) for item in made} <= {None, *SECRETS.values(), *theirs}


def tell(case: Case, plan: Plan) -> None:
    """Have hypothesis count what was met."""
    for name, number in plan.counts().items():
        if number:
            event(f"something is {name}")
    for what, met in {
        "a problem": plan.problems,
        "twins": any(change.why and "have this name" in change.why for change in plan),
        "an unseen bound": any(team.unseen for team in plan.teams),
        "an unknown field in a hook": any(
            change.new == "without them" for each in plan for change in each.fields
        ),
    }.items():
        if met:
            event(f"there is {what}")
    event(f"{len(case.domain)} teams")


@pytest.mark.parametrize("shown", ["clear", "masked", "null", "missing"])
@pytest.mark.parametrize("by", ["name_prefix", "marker"])
@settings(max_examples=EXAMPLES)
@given(
    case=cases(),
    prune=st.booleans(),
    marker=st.booleans(),
    echoes=st.booleans(),
    order=st.sampled_from(["newest_first", "oldest_first", "arbitrary"]),
    suffixes=st.booleans(),
    seed=st.integers(0, 999),
)
@pytest.mark.filterwarnings("ignore::aiodoo.UnknownHookType")
def test_applying_a_plan_leads_to_what_is_declared(
    case: Case,
    shown: str,
    by: str,
    *,
    prune: bool,
    marker: bool,
    echoes: bool,
    order: str,
    suffixes: bool,
    seed: int,
) -> None:
    """Live is wanted as multisets (and what was not pruned), nothing unmanaged is touched, and the next plan is empty.

    Where the listed secret is to be kept, and there is none, or it is masked, nothing is done at all until the file says
    where it comes from.
    """
    os.environ.update(SECRETS)
    document = {
        "aiodoo": 1,
        "manage": {by: PREFIX if by == "name_prefix" else MARKER},
        "teams": case.teams,
        "webhooks": [
            owned(config, by=by) | ({} if teams is None else {"teams": teams})
            for config, teams, _ in case.wishes
        ],
    }
    # Which of several listed secrets is kept is not for this test to know, and a masked one cannot be compared.
    secrets = shown == "clear" and LISTED not in json.dumps(document)

    async def main(clock: SimulatedClock, folder: Path) -> None:
        facts = Facts(list_echoes_scope=True if echoes else None)
        settings = {"echo_scope": echoes, "secrets": shown, "order": order, "type_suffix": suffixes}
        async with world(clock, facts=facts, seed=seed, page_size=4, **settings) as (doo, box):
            managed = fill(box, case, by=by)
            before = {team: box.live(team) for team in TEAMS}
            seen = len(box.log.changes)
            file = declare(folder, document)

            plan = await doo.desired.plan(file, prune=prune)
            tell(case, plan)
            assert [team.id for team in plan.teams] == case.domain
            assert all("secret" in problem.says for problem in plan.problems)
            if plan.unmade:
                for team in plan.teams:
                    cannot = any(problem.team_id == team.id for problem in plan.problems)
                    assert not (cannot and any(change.kind == "delete" for change in team.changes))
                with pytest.raises(UnsafePlan, match="cannot be made"):
                    await doo.desired.apply(
                        plan, allow_net_deletes=plan.counts()["delete"], allow_widening=True
                    )
                assert len(box.log.changes) == seen
                given = json.dumps(document).replace(LISTED, f"${{secret:env:{min(SECRETS)}}}")
                plan = await doo.desired.plan(declare(folder, given), prune=prune)
            assert not plan.problems
            report = await doo.desired.apply(
                plan, allow_net_deletes=plan.counts()["delete"], allow_widening=True, marker=marker
            )
            assert report.counts()["applied"] == len(plan)

            deleted = {change.webhook_id for change in box.log.changes[seen:] if change.what == "deleted"}
            assert deleted <= managed
            for team in set(TEAMS) - set(case.domain):
                assert box.live(team) == before[team]
            for planned in plan.teams:
                assert not (prune and planned.undeclared)
                check_team(
                    case.wanted(planned.id),
                    before[planned.id],
                    box.live(planned.id),
                    managed,
                    by=by,
                    undeclared=len(planned.undeclared),
                    scope=echoes,
                    secrets=secrets,
                    team=planned.id,
                )

            changes = changing(box)
            again = await doo.desired.plan(file, prune=prune)
            assert not again
            assert not again.problems
            await doo.desired.apply(again)
            assert changing(box) == changes

    with tempfile.TemporaryDirectory() as folder:
        simulate(lambda clock: main(clock, Path(folder)), seed=seed)
