"""The five steps of the demo, with one Session."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from aiodoo import (
    AddWebhook,
    Create,
    Delete,
    Facts,
    Hook,
    Operation,
    Report,
    Session,
    Update,
    WebhookConfiguration,
)
from aiodoo.cli.commands.demo.screen import Screen
from aiodoo.cli.commands.demo.verdict import Expectation
from aiodoo.cli.commands.demo.waiting import Waiting
from aiodoo.sandbox import Plan, Sandbox

WEBHOOKS = 10
HOSTS = {"crm.example": "crm2.example"}


async def show(*, organizations: int, per_second: float, seed: int) -> int:
    """Take all steps, print the results, and return the exit code."""
    waiting = Waiting()
    async with (
        _box(organizations, per_second, seed) as box,
        box.session(facts=Facts(list_echoes_scope=True), on_event=waiting.record) as doo,
    ):
        screen = Screen(waiting)
        screen.introduce(box.url, organizations=organizations, webhooks=WEBHOOKS, per_second=per_second)
        with screen:
            problems = await take_steps(doo, box, screen)
        return screen.sum_up(doo.stats, problems)


def _box(organizations: int, per_second: float, seed: int) -> Sandbox:
    return Sandbox(
        organizations=organizations,
        webhooks_per_team=WEBHOOKS,
        seed=seed,
        plan=Plan(per_second=per_second, per_day=None, counting="sliding_log"),
        latency=lambda chance: chance.uniform(0.03, 0.05),
        echo_scope=True,
    )


async def take_steps(doo: Session, box: Sandbox, screen: Screen) -> list[str]:
    """List, create, move, delete and list again; return the problems that were found."""
    steps = _Steps(doo, screen, teams=len(box.teams))
    expectation = Expectation(box, HOSTS)

    before = await steps.walk("list")

    new = AddWebhook(
        name="Made by the demo",
        description="Moved with the others, then deleted",
        hooks=[Hook(type="event_created", endpoint="https://crm.example/demo")],
    )
    created = await steps.change("create", [Create(team, new) for team in box.teams], unit="created")

    known = [
        (webhook.team_id, webhook.id) for webhook in before if webhook.copy(hosts=HOSTS) != webhook.copy()
    ]
    known += _resulting(created)
    moves = [Update(team, webhook, hosts=HOSTS) for team, webhook in known]
    moved = await steps.change("move", moves, unit="moved", where=" to crm2.example")

    copies = _resulting(moved)[-len(created) :]
    await steps.change("delete", [Delete(team, webhook) for team, webhook in copies], unit="deleted")

    after = await steps.walk("verify")
    return expectation.problems(before, after, requests=doo.stats.requests.total())


def _resulting(report: Report) -> list[tuple[str, str]]:
    """Return the team and the id of each webhook configuration that a run created."""
    return [(outcome.operation.team_id, outcome.webhook_id or "") for outcome in report]


@attrs.frozen
class _Steps:
    """Takes steps and shows them."""

    _doo: Session
    _screen: Screen
    _teams: int = attrs.field(alias="teams", kw_only=True)

    async def walk(self, name: str) -> list[WebhookConfiguration]:
        """Read all webhook configurations of all organizations."""
        found: list[WebhookConfiguration] = []
        seen: set[str] = set()
        with self._screen.step(name, total=self._teams, unit="teams") as step:
            stats = self._doo.stats
            first = stats.requests.total() - stats.token_requests
            async with self._doo.webhooks.list_all(prefetch=8) as walk:
                async for page in walk.pages():
                    found += page.items
                    seen.add(page.team_id)
                    step.done = len(seen)
                    step.requests = stats.requests.total() - stats.token_requests - first
            step.result = f"{len(found)} webhooks seen"
        return found

    async def change(
        self, name: str, operations: Sequence[Operation], *, unit: str, where: str = ""
    ) -> Report:
        """Execute operations; raise if one was not applied."""
        with self._screen.step(name, total=len(operations), unit=unit) as step:
            report = await self._doo.bulk.run(operations, progress=step.follow)
            report.raise_for_failures()
            step.requests = report.requests.total
            step.forecast = None if report.forecast is None else report.forecast.requests.total
            step.result = f"{report.counts()['applied']} {unit}{where}"
        return report
