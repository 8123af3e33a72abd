"""Whatever is there and whatever is declared: applying the plan leads there, touches nothing else, and leaves no plan.

`AIODOO_DESIRED_EXAMPLES=5000 pytest tests/desired/test_desired_property.py` tries more.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from desired_world import changing, declare, world
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate

from aiodoo import Facts

EXAMPLES = int(os.environ.get("AIODOO_DESIRED_EXAMPLES", "60"))
SECRETS = {f"AIODOO_TEST_SECRET_{number}": os.urandom(12).hex() for number in range(2)}
PREFIX, MARKER = "crm: ", "[crm]"
TEAMS = ["111", "112", "113"]
KNOWN = ("name", "description", "hooks", "authentication", "event_id", "event_guide_id")

hooks = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["event_created", "order_created", "contact_whatever"]),
            "endpoint": st.sampled_from(
                ["https://a.example/x", "https://a.example/y?k=1", "https://b.example"]
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
)
declared = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]), "hooks": hooks},
    optional={
        "description": st.sampled_from([None, "first", "second"]),
        "event_id": st.sampled_from(["47", "48"]),
        "event_guide_id": st.just("5"),
        "authentication": st.builds(
            lambda endpoint, name: {
                "endpoint": endpoint,
                "credentials": {"client_secret": f"${{secret:env:{name}}}"},
            },
            st.sampled_from(["https://a.example/token", "https://b.example/token"]),
            st.sampled_from(sorted(SECRETS)),
        ),
    },
)
wish = st.tuples(declared, st.one_of(st.none(), st.lists(st.sampled_from(TEAMS), min_size=1, unique=True)))
present = st.tuples(st.sampled_from(TEAMS), st.booleans(), declared, st.booleans())


def owned(config: dict[str, Any], *, by: str) -> dict[str, Any]:
    """Make a declaration's name, or its description, say whose it is."""
    if by == "name_prefix":
        return config | {"name": PREFIX + config["name"]}
    described = config.get("description", config["name"])
    return config | {"description": f"{described or ''} {MARKER}".strip()}


def stored(config: dict[str, Any]) -> dict[str, Any]:
    """Return what doo holds once a declaration was created, by the book."""
    held: dict[str, Any] = {"description": config["name"], **config}
    held["hooks"] = [{"method": "POST", **hook} for hook in config["hooks"]]
    if (login := config.get("authentication")) is not None:
        name = login["credentials"]["client_secret"].removeprefix("${secret:env:").removesuffix("}")
        held["authentication"] = {
            "grant_type": "client_credentials",
            "endpoint": login["endpoint"],
            "credentials": {"client_id": "doo", "client_secret": SECRETS[name]},
            "header_format": "Authorization",
            "header_value_format": "Bearer %ACCESS_TOKEN%",
        }
    return {name: value for name, value in held.items() if value is not None}


def canonical(item: dict[str, Any], *, scope: bool) -> str:
    """Return an item in one spelling: known fields, the order of its hooks aside, and its scope if that counts."""
    kept = {name: item[name] for name in KNOWN if name in item and (scope or not name.startswith("event_"))}
    # What a run may add to tell its own webhooks from others.
    described = re.sub(r" ?\[aiodoo:[0-9a-f.]+\]$", "", kept.pop("description", ""))
    kept |= {"description": described} if described else {}
    kept["hooks"] = sorted(json.dumps(hook, sort_keys=True) for hook in item["hooks"])
    return json.dumps(kept, sort_keys=True)


@settings(max_examples=EXAMPLES)
@given(
    wishes=st.lists(wish, max_size=5),
    items=st.lists(present, max_size=12),
    by=st.sampled_from(["name_prefix", "marker"]),
    prune=st.booleans(),
    marker=st.booleans(),
    echoes=st.booleans(),
    seed=st.integers(0, 999),
)
def test_applying_a_plan_leads_to_what_is_declared(
    wishes: list[Any], items: list[Any], by: str, *, prune: bool, marker: bool, echoes: bool, seed: int
) -> None:
    """Live is wanted as multisets (and what was not pruned), nothing unmanaged is touched, and the next plan is empty."""
    os.environ.update(SECRETS)
    document = {
        "aiodoo": 1,
        "manage": {by: PREFIX if by == "name_prefix" else MARKER},
        "teams": TEAMS,
        "webhooks": [
            owned(config, by=by) | ({} if teams is None else {"teams": teams}) for config, teams in wishes
        ],
    }

    async def main(clock: SimulatedClock, folder: Path) -> None:
        facts = Facts(list_echoes_scope=True if echoes else None)
        async with world(clock, facts=facts, seed=seed, page_size=4, echo_scope=echoes) as (doo, box):
            managed: set[str] = set()
            for team, is_owned, config, odd in items:
                content = stored(owned(config, by=by) if is_owned else config)
                new_id = box.add_webhook(team, content | ({"colour": "red"} if odd else {}))
                if is_owned:
                    managed.add(new_id)
            before = {team: box.live(team) for team in TEAMS}
            seen = len(box.log.changes)
            file = declare(folder, document)

            plan = await doo.desired.plan(file, prune=prune)
            assert not plan.problems
            report = await doo.desired.apply(
                plan, allow_net_deletes=plan.counts()["delete"], allow_widening=True, marker=marker
            )
            assert report.counts()["applied"] == len(plan)

            deleted = {change.webhook_id for change in box.log.changes[seen:] if change.what == "deleted"}
            assert deleted <= managed
            for team in TEAMS:
                live = box.live(team)
                assert [item for item in before[team] if item["id"] not in managed] == [
                    item for item in live if item["id"] not in managed and item in before[team]
                ]
                foreign = {item["id"] for item in before[team]} - managed
                ours = Counter(canonical(item, scope=echoes) for item in live if item["id"] not in foreign)
                made = {item["id"] for item in live} - {item["id"] for item in before[team]}
                fresh = Counter(canonical(item, scope=True) for item in live if item["id"] in made)
                wanted = Counter(
                    canonical(stored(owned(config, by=by)), scope=echoes)
                    for config, teams in wishes
                    if teams is None or team in teams
                )
                assert fresh <= Counter(
                    canonical(stored(owned(config, by=by)), scope=True)
                    for config, teams in wishes
                    if teams is None or team in teams
                )
                if prune:
                    assert ours == wanted
                else:
                    assert wanted <= ours
                    assert (ours - wanted).total() == sum(
                        len(t.undeclared) for t in plan.teams if t.id == team
                    )

            changes = changing(box)
            again = await doo.desired.plan(file, prune=prune)
            assert not again
            await doo.desired.apply(again)
            assert changing(box) == changes

    with tempfile.TemporaryDirectory() as folder:
        simulate(lambda clock: main(clock, Path(folder)), seed=seed)
