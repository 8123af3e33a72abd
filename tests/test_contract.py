"""The contract: every public name, used once as its users will, over real HTTP against the sandbox."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import aiodoo
from aiodoo.sandbox import Fault, Sandbox


@pytest.fixture
async def box():
    """Three organizations with three webhooks each, and no limits."""
    async with Sandbox(organizations=3, webhooks_per_team=3, plan=None) as box:
        yield box


@pytest.fixture
async def doo(box: Sandbox):
    """A session that asks the sandbox as fast as it likes."""
    async with aiodoo.Session(
        api_key=box.api_key,
        client_id=aiodoo.Secret(box.client_id),
        client_secret=box.client_secret,
        base_url=box.url,
        limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=8, reserve=0.05),
        quota=aiodoo.quota.Memory(),
        timeout=60.0,
        deadline=120.0,
        facts=aiodoo.Facts(),
        proxy=None,
        ssl=None,
        on_event=None,
    ) as doo:
        yield doo


@pytest.fixture
def config() -> aiodoo.AddWebhook:
    """What the contract creates."""
    return aiodoo.AddWebhook(
        name="crm", hooks=[aiodoo.Hook(type="event_created", endpoint="https://crm.example/doo")]
    )


async def test_organizations(doo: aiodoo.Session) -> None:
    """The active team and every organization, with the raw answer beside them."""
    team = await doo.organizations.active_team()
    assert (team.id, team.organization_id) == ("111", "70001")
    found = [organization async for organization in doo.organizations.list()]
    assert [(organization.id, organization.team_ids) for organization in found] == [
        ("70001", ("111",)),
        ("70002", ("112",)),
        ("70003", ("113",)),
    ]
    assert found[0].name == found[0].raw["name"]


async def test_one_iterator_over_many_teams(doo: aiodoo.Session) -> None:
    """Webhooks, pages and everything at once, over ids one by one or in one iterable."""
    seen = [webhook async for webhook in doo.webhooks.list("111", "112")]
    assert Counter(webhook.team_id for webhook in seen) == {"111": 3, "112": 3}
    assert {webhook.hooks[0].base_type for webhook in seen} == {"event_created"}
    assert any(webhook.hooks[0].type != webhook.hooks[0].base_type for webhook in seen)
    pages = [page async for page in doo.webhooks.list("111").pages()]
    assert [
        (page.team_id, page.number, len(page.items), page.page_count, page.total_items) for page in pages
    ] == [("111", 1, 3, 1, 3)]
    everything = await doo.webhooks.list(["111", "112", "113"]).collect()
    assert len({webhook.id for webhook in everything}) == 9


async def test_fanning_out(doo: aiodoo.Session) -> None:
    """Several teams at a time, errors collected, and a cursor to go on from."""
    async with doo.webhooks.list(
        ["111", "999", "113"], prefetch=4, ordered=False, on_error="collect"
    ) as walk:
        seen = [webhook async for webhook in walk]
    assert Counter(webhook.team_id for webhook in seen) == {"111": 3, "113": 3}
    assert [(failed.team_id, type(failed.error)) for failed in walk.errors] == [("999", aiodoo.NotFound)]
    again = doo.webhooks.list(["111", "112", "113"], cursor=walk.cursor)
    assert {webhook.team_id async for webhook in again} == {"112"}


async def test_single_changes(doo: aiodoo.Session, box: Sandbox, config: aiodoo.AddWebhook) -> None:
    """Create, update, replace, delete and initialize, one at a time."""
    webhook_id = await doo.webhooks.create("111", config)
    new_id = await doo.webhooks.update("111", webhook_id, hosts={"crm.example": "crm2.example"})
    (moved,) = [item for item in box.live("111") if item["id"] == new_id]
    assert moved["hooks"][0]["endpoint"] == "https://crm2.example/doo"
    newer_id = await doo.webhooks.replace("111", new_id, config)
    assert len({webhook_id, new_id, newer_id}) == 3
    await doo.webhooks.delete(newer_id, confirm_in="111")
    assert len(box.live("111")) == 3
    sent = await doo.webhooks.initialize("events", organization_id=70001, webhook_configuration_id=newer_id)
    assert sent >= 0


async def test_a_run(doo: aiodoo.Session, box: Sandbox, config: aiodoo.AddWebhook) -> None:
    """A run over many teams, with its outcomes in input order."""
    first, second = (item["id"] for item in box.live("111")[:2])
    third = box.live("112")[0]["id"]
    secret = aiodoo.Secret(box.client_id + "rotated")
    told: list[aiodoo.Progress] = []
    operations = [
        aiodoo.Create("111", config),
        aiodoo.Update("111", first, client_secret=secret),
        aiodoo.Delete("112", third),
        aiodoo.Replace("111", second, config),
        aiodoo.Ensure("113", config),
    ]
    forecast = await doo.bulk.forecast(operations)
    report = await doo.bulk.run(
        operations, progress=told.append, settle=130.0, on_exhausted="park", grace=10.0
    )
    assert report.counts() == {
        "applied": 5,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "unknown": 0,
        "unfinished": 0,
        "not_started": 0,
    }
    assert [outcome.operation for outcome in report] == operations
    assert report.outcomes[0].webhook_id in {item["id"] for item in box.live("111")}
    assert report.outcomes[1].reason is None
    assert report.outcomes[1].error is None
    assert report.complete
    assert report.resume_at is None
    assert report.recheck_at is None
    assert report.requests == forecast.requests == report.forecast.requests
    report.raise_for_failures()
    assert (told[-1].done, told[-1].total) == (5, 5)
    assert (told[-1].remaining, told[-1].unconfirmed, told[-1].eta, told[-1].left) == (0, 0, 0.0, None)
    assert told[-1].rate > 0
    assert told[-1].waiting_for is None
    assert str(told[-1]).startswith("5/5 operations, 3/3 teams")


async def test_a_stream(doo: aiodoo.Session, config: aiodoo.AddWebhook) -> None:
    """The same, outcome by outcome, with a report at any moment."""
    operations = [aiodoo.Create(team, config) for team in ("111", "112", "113")]
    async with doo.bulk.stream(operations) as run:
        assert run.report().counts()["not_started"] == 3
        statuses = [outcome.status async for outcome in run]
    assert statuses == ["applied"] * 3
    assert run.report().complete


async def test_a_stream_with_a_journal(
    doo: aiodoo.Session, config: aiodoo.AddWebhook, tmp_path: Path
) -> None:
    """Left early it goes on where it was, and yields what had ended before."""
    operations = [aiodoo.Create(team, config) for team in ("111", "112", "113")]
    async with doo.bulk.stream(operations, journal=tmp_path / "move.journal") as run:
        async for _ in run:
            break
    async with doo.bulk.stream(operations, journal=tmp_path / "move.journal") as run:
        assert {outcome.status async for outcome in run} == {"applied"}
    assert run.report().resumed


async def test_undo(doo: aiodoo.Session, box: Sandbox, config: aiodoo.AddWebhook, tmp_path: Path) -> None:
    """A run with a journal is undone by the operations that its journal gives."""
    first, second = (item["id"] for item in box.live("111")[:2])

    def encrypt(data: bytes) -> bytes:
        return data[::-1]

    journal = tmp_path / "move.journal"
    operations = [
        aiodoo.Create("111", config),
        aiodoo.Update("111", first, name="moved"),
        aiodoo.Delete("111", second),
    ]
    await doo.bulk.run(operations, journal=journal, marker=True, keep_secrets=encrypt)
    undo = await doo.bulk.undo(journal, decrypt=encrypt, secrets={}, settle=130.0)
    assert [operation.word for operation in undo.operations] == ["delete", "update", "create"]
    assert undo.left == ()
    assert undo.scope_unknown == undo.operations[1:]
    report = await doo.bulk.run(undo.operations, journal=tmp_path / "undo.journal")
    assert report.counts()["applied"] == 3
    assert len(box.live("111")) == 3


async def test_failures_are_a_group(doo: aiodoo.Session, config: aiodoo.AddWebhook) -> None:
    """A group that is a DooError, with a member for each operation that was not applied."""
    report = await doo.bulk.run([aiodoo.Create("999", config), aiodoo.Create("111", config)])
    with pytest.raises(aiodoo.BulkFailed) as failed:
        report.raise_for_failures()
    assert isinstance(failed.value, aiodoo.DooError)
    assert isinstance(failed.value, ExceptionGroup)
    (member,) = failed.value.exceptions
    assert isinstance(member, aiodoo.NotFound)
    assert member.__notes__ == [
        "create in team 999: failed, the list of team 999 could not be read",
    ]


async def test_the_background_lane(doo: aiodoo.Session) -> None:
    """The same session with every call in bulk's lane."""
    slow = doo.background()
    assert len(await slow.webhooks.list("111").collect()) == 3
    assert (await slow.organizations.active_team()).id == "111"


async def test_a_lost_answer_is_always_an_unknown_outcome(
    doo: aiodoo.Session, box: Sandbox, config: aiodoo.AddWebhook
) -> None:
    """A create whose answer was lost is not repeated, and says so with what is known."""
    box.script(Fault("lost_after", on="create"))
    with pytest.raises(aiodoo.OutcomeUnknown, match="Ensure") as unknown:
        await doo.webhooks.create("111", config)
    assert unknown.value.operation == "create"
    assert unknown.value.team_id == "111"
    assert isinstance(unknown.value.cause, aiodoo.TransportError)
    assert box.count("create") == 1


async def test_errors_are_told_apart(box: Sandbox, config: aiodoo.AddWebhook) -> None:
    """A bad key, a wrong secret and a spent day each have their class."""
    lifted = aiodoo.Limits(per_second=None, per_day=None)
    keys = {"api_key": box.api_key, "client_id": box.client_id, "client_secret": box.client_secret}
    for wrong in ("api_key", "client_secret"):
        options = keys | {wrong: "wrong"}
        async with aiodoo.Session(base_url=box.url, limits=lifted, **options) as doo:
            with pytest.raises(aiodoo.AuthenticationError):
                await doo.organizations.active_team()
    async with aiodoo.Session(
        base_url=box.url, limits=aiodoo.Limits(per_second=None, per_day=2), **keys
    ) as doo:
        await doo.organizations.active_team()
        with pytest.raises(aiodoo.QuotaExhausted) as spent:
            await doo.webhooks.create("111", config)
        assert spent.value.resume_at is not None
        assert (await doo.quota.usage()).used == 2
