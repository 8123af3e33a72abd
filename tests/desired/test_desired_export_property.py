"""What an export holds, a plan finds unchanged; with its secrets it restores an account that has lost everything.

`AIODOO_DESIRED_EXAMPLES=2000 pytest tests/desired/test_desired_export_property.py` tries more.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from desired_world import changing, world
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import SimulatedClock, simulate

from aiodoo import desired
from aiodoo.desired.file import block_style

EXAMPLES = int(os.environ.get("AIODOO_DESIRED_EXAMPLES", "30"))
SECRETS = [os.urandom(9).hex() for _ in range(3)]
HOSTILE = [
    "", " ", "no", "~", "0123", "1e3", "12:30:45", "=", "<<", "- a", "a: b", "a #b", " lead", "trail ", "tab\there",
    "two\n\nlines\n", "cr\rx", "nel\x85x", "ls\u2028x", "\ufeffbom", "nbsp\xa0x", "c1\x9fx", "rtl\u202ex", "\x1b[31m",
    "${x}", "$${x}", "$", "${", "${team.id}", "${secret:listed}", "$${secret:env:HOME}", "${secret:", "%EVENT_ID%", "\\", "---",
    "\U0001f600", "\U000e0001", "x\n---\ny", "a" * 600, "on_x", "on_event_created", "crm", "crm $", "crm ${",
]  # fmt: skip
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
secrets = st.sampled_from([*SECRETS, "***", 'x\x85\U000e0001"\\'])
plain = st.recursive(
    texts | st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from([2.5, 1e30, -0.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
unknown = st.builds(
    lambda known, more: known | more,
    st.dictionaries(
        st.sampled_from(["colour", "extra", "as_listed", "teams", "name_prefix", "a b", "", "on", "${x}"]),
        plain,
        max_size=3,
    ),
    st.fixed_dictionaries(
        {}, optional={"password": secrets, "headers": st.fixed_dictionaries({"X-Key": secrets})}
    ),
)


def with_unknown(known: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the objects with fields that aiodoo does not know, too."""
    return st.builds(lambda more, known: more | known, st.just({}) | unknown, known)


endpoints = st.sampled_from(
    ["https://a.example/x?k=1", "http://a.example", "a.example", "https://a.example/${x} y"]
)
origins = with_unknown(
    st.fixed_dictionaries(
        {"endpoint": st.sampled_from(["https://gql.doo.net", "x"]), "method": st.sampled_from(["POST", "get"]), "body": texts}
    )
)  # fmt: skip
queries = st.builds(
    lambda query, variables, name, spaces: {
        "endpoint": "https://gql.doo.net",
        "method": "POST",
        "body": json.dumps(
            {"operationName": name, "variables": variables, "query": query},
            ensure_ascii=False,
            separators=(", ", ": ") if spaces else (",", ":"),
        ),
    },
    texts | st.just("query ($id: ID!) {\n  order(id: $id) { id }\n}\n"),
    st.none() | st.dictionaries(texts, plain, max_size=2),
    st.none() | texts,
    st.booleans(),
)
hooks = with_unknown(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["event_created", "order_created", "on_event_created", "x"]),
            "endpoint": endpoints,
        },
        optional={"origin": origins | queries, "method": st.sampled_from(["POST", "GET", "post"])},
    )
)  # fmt: skip
credentials = with_unknown(st.fixed_dictionaries({}, optional={"client_id": texts, "client_secret": secrets}))
logins = with_unknown(
    st.fixed_dictionaries(
        {"endpoint": endpoints},
        optional={
            "grant_type": st.sampled_from(["client_credentials", "x"]),
            "credentials": st.none() | credentials,
            "header_format": texts,
            "header_value_format": st.sampled_from(
                ["Bearer %ACCESS_TOKEN%", *SECRETS, "%ACCESS_TOKEN%\u2028"]
            ),
        },
    )
)
items = with_unknown(
    st.fixed_dictionaries(
        {"name": texts, "description": st.none() | texts, "hooks": st.lists(hooks, max_size=3)},
        optional={
            "authentication": st.none() | logins,
            "event_id": st.sampled_from(["47", 48]),
            "event_guide_id": st.just("5"),
        },
    )
)
prefixes = st.sampled_from(["", "", "crm ", "crm $", " ", "$"])


def file_of(exported: desired.Export, folder: Path) -> Path:
    """Write an export as the command line does."""
    file = folder / "doo.yaml"
    file.write_text("".join(f"{line}\n" for line in block_style.written(exported.document)), encoding="utf-8")
    return file


@given(st.lists(st.tuples(st.sampled_from(["111", "112"]), items), max_size=4), prefixes)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_plan_of_an_export_has_no_changes(found: list[tuple[str, dict[str, Any]]], prefix: str) -> None:
    """Whatever names, unknown fields, secrets and old contents doo lists, with and without secrets in the file."""

    async def run(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=0) as (doo, box):
            for team, item in found:
                box.add_webhook(team, item | {"name": prefix + item["name"]})
            listed = await doo.webhooks.list_all().collect()
            for with_secrets in (False, True):
                exported = desired.export(listed, with_secrets=with_secrets)
                with tempfile.TemporaryDirectory() as folder:
                    file = file_of(exported, Path(folder))
                    if not with_secrets:
                        assert not any(secret in file.read_text(encoding="utf-8") for secret in SECRETS)
                    plan = await doo.desired.plan(file)
                assert [change.to_dict() for change in plan] == []
                assert plan.problems == ()
                assert plan.counts()["unchanged"] == len(listed) - len(exported.left)
                assert plan.counts()["undeclared"] == 0
            assert not changing(box)

    simulate(run)


SOUND = {
    "hooks": [{"type": "event_created", "method": "POST", "endpoint": "https://a.example/x", "colour": {"a": [1, None]}}],
    "priority": 5,
    "headers": {"X-Key": SECRETS[0]},
    "authentication": {
        "grant_type": "client_credentials",
        "endpoint": "https://a.example/token",
        "credentials": {"client_id": "doo", "client_secret": SECRETS[1], "realm": SECRETS[2]},
        "header_format": "Authorization",
        "header_value_format": "Bearer %ACCESS_TOKEN%",
    },
}  # fmt: skip


def test_an_export_with_secrets_restores_what_is_lost_and_clones_to_other_teams() -> None:
    """With unknown fields and the secrets in them, and for old contents that break the rules for new ones."""
    contents: list[dict[str, Any]] = [
        SOUND | {"name": "CRM", "description": None},
        SOUND | {"name": "nel\x85${x}", "description": "other"},
        {
            "name": "old",
            "description": "old",
            "hooks": [{"type": "order_x", "method": "GET", "endpoint": "https://a.example/a"}],
        },
    ]

    async def run(clock: SimulatedClock) -> None:
        async with world(clock, organizations=2, webhooks_per_team=0) as (doo, box):
            ids = [box.add_webhook("111", content) for content in contents]
            before = [
                {key: value for key, value in item.items() if key not in {"id", "_links"}}
                for item in box.live("111")
            ]
            listed = await doo.webhooks.list("111").collect()
            with tempfile.TemporaryDirectory() as folder:
                clone = file_of(desired.export(listed, with_secrets=True, teams={"111": "112"}), Path(folder))
                report = await doo.desired.apply(await doo.desired.plan(clone))
                assert all(outcome.status.fine for outcome in report)
                file = file_of(desired.export(listed, with_secrets=True), Path(folder))
                for webhook_id in ids:
                    box.foreign_delete(webhook_id)
                plan = await doo.desired.plan(file)
                assert plan.counts()["create"] == len(contents)
                assert not any(secret in repr(plan) + json.dumps(plan.to_dict()) for secret in SECRETS)
                await doo.desired.write(plan, Path(folder) / "plan.json")
                assert all(
                    outcome.status.fine for outcome in await doo.desired.apply(Path(folder) / "plan.json")
                )
            for team in ("111", "112"):
                after = [
                    {key: value for key, value in item.items() if key not in {"id", "_links"}}
                    for item in box.live(team)
                ]
                assert sorted(map(described, after)) == sorted(map(described, before))

    simulate(run)


def described(item: dict[str, Any]) -> str:
    """Return an item as text without what a run adds to its description."""
    text = (item.get("description") or "").partition("[aiodoo:")[0].strip()
    return json.dumps(item | {"description": text}, sort_keys=True)
